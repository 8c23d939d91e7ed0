"""Tag whole archives: in parts, with worker processes, and so that an interrupted run can go on.

:func:`tag_archive` reads its source part by part, tags each part in one of several processes, and keeps it as a file of its own beside the target;
when all are there they are joined. What is on disk is always whole (a part is renamed into place), and a manifest says which source, model
and options it belongs to. So a run that was killed goes on where it stopped, and gives what an uninterrupted one gives, byte for byte.

On more than one machine, see :mod:`disputenlp.cluster`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import READABLE, ArchiveError, find_text_column, iter_archive
from disputenlp.tagger import DisputeTagger, load
from disputenlp.writing import check_target, join_parts, write_parts

__all__ = ["Summary", "tag_archive", "tag_table"]

#: Rows of a part: large enough that its overhead does not count, small enough that little is lost when a run is killed.
PART_ROWS = 10_000
_MODEL, _MANIFEST, _TOP = "model.dnm", "manifest.json", 5
Tags = dict[str, Any]


@dataclass
class Summary:
    """What was tagged: counts, and the notes most in need of a person.

    Attributes
    ----------
    rows : int
    categories, risks : dict of str to int
    needs_review : int
    failed : int
        Rows that could not be tagged; they are kept, as no dispute, and marked for review.
    urgent : list of dict
        The notes likeliest to be of high risk: ``text``, ``category``, ``high_risk_p``, ``evidence``.
    """

    rows: int = 0
    needs_review: int = 0
    failed: int = 0
    categories: dict[str, int] = field(default_factory=dict)
    risks: dict[str, int] = field(default_factory=dict)
    urgent: list[Tags] = field(default_factory=list)

    def add(self, other: Summary) -> None:
        """Add the counts of another summary."""
        self.rows += other.rows
        self.needs_review += other.needs_review
        self.failed += other.failed
        self.categories = dict(Counter(self.categories) + Counter(other.categories))
        self.risks = dict(Counter(self.risks) + Counter(other.risks))
        self.urgent = sorted(self.urgent + other.urgent, key=lambda note: -note["high_risk_p"])[:_TOP]


def tag_archive(
    src: str | PathLike[str],
    dst: str | PathLike[str],
    tagger: DisputeTagger | None = None,
    workers: int | None = None,
    resume: bool = True,
    *,
    text: str | None = None,
    labels: str = "zh",
    evidence: bool = True,
    progress: bool = True,
) -> Summary:
    """Tag an archive of any size.

    Parameters
    ----------
    src : path
        A file that :func:`~disputenlp.archive.read_archive` reads, or a folder of such files with the same columns.
    dst : path
        xlsx, csv, tsv, jsonl or parquet. All columns of the source are kept, those of the tags come behind.
    tagger : DisputeTagger, default=None
        ``None`` takes the bundled model.
    workers : int, default=None
        Processes; ``None`` takes one for each core, but no more than there are parts.
    resume : bool, default=True
        Go on with an interrupted run. ``False`` throws its parts away and begins anew.
    text : str, default=None
        Column of the notes; ``None`` looks for it.
    labels : {"zh", "id"}, default="zh"
    evidence : bool, default=True
    progress : bool, default=True
        Show a progress bar.

    Returns
    -------
    Summary

    Raises
    ------
    ArchiveError
        If the source cannot be read, the target cannot be written, or an interrupted run had another source, model or other options.
    """
    source, target = Path(src), Path(dst)
    check_target(target)
    _check_space(source, target)
    folder = target.with_name(target.name + ".parts")
    options = {"text": text, "labels": labels, "evidence": evidence, "part_rows": PART_ROWS}
    count = _worker_count(workers, source)
    starting = _start_workers(count)
    try:
        _prepare(folder, source, tagger or load(), options, resume)
    finally:
        # Also where the run is refused: what was started is waited for, or joblib would complain after the error.
        list(starting)
    total = Summary()
    done = False

    def finished(advance: Callable[[int], None]) -> Iterator[Path]:
        """Files of the parts, each as soon as it and all before it are done."""
        for number, part in enumerate(_run_parts(folder, source, count, options)):
            total.add(part)
            advance(part.rows)
            yield _part_file(folder, number)

    try:
        with _bar(progress, source) as advance:
            join_parts(finished(advance), target)
        done = True
    except OSError as error:
        raise ArchiveError(
            f"{target}: cannot be written ({error.strerror or error}); free some space and run the same command again"
        ) from None
    finally:
        if done:
            shutil.rmtree(folder, ignore_errors=True)
    return total


def tag_table(tagger: DisputeTagger, frame: pd.DataFrame, text: str | None, labels: str, evidence: bool) -> tuple[pd.DataFrame, int]:
    """A table with its tags behind its columns, and how many of its rows could not be tagged."""
    column = find_text_column(frame, text)
    failed = 0
    try:
        tags = tagger.tag(frame[column], labels=labels, evidence=evidence)
    except Exception:
        # Whatever went wrong: only the rows it went wrong in may suffer, and none may be lost.
        rows = []
        for cell in frame[column]:
            try:
                rows.append(tagger.tag([cell], labels=labels, evidence=evidence))
            except Exception:
                failed += 1
                rows.append(tagger.tag([None], labels=labels, evidence=evidence))
        tags = pd.concat(rows, ignore_index=True)
        tags.index = frame.index
    tags.columns = [name if name not in frame.columns else f"{name}_tag" for name in tags.columns]
    return pd.concat([frame, tags], axis=1), failed


# ---------------------------------------------------------------- parts


@lru_cache(maxsize=1)
def _loaded(path: str, stamp: float) -> DisputeTagger:
    return load(path)


def _tag_part(folder: Path, number: int, frame: pd.DataFrame, options: dict[str, Any]) -> Summary:
    """Tag one part in a worker process, and keep it as a file."""
    model = folder / _MODEL
    tagger = _loaded(str(model), model.stat().st_mtime)
    tagged, failed = tag_table(tagger, frame, options["text"], options["labels"], options["evidence"])
    write_parts([tagged], _part_file(folder, number))
    summary = _summarize(tagged, options["text"] or find_text_column(frame), failed)
    part = folder / f"{number:06d}.json.part"
    part.write_text(json.dumps(asdict(summary), ensure_ascii=False), encoding="utf-8")
    # The summary comes last: a part with a summary is done.
    part.replace(_summary_file(folder, number))
    return summary


def _run_parts(folder: Path, source: Path, count: int, options: dict[str, Any]) -> Iterator[Summary]:
    """Summaries of all parts, in order; those that are there already are not made again."""
    from joblib import Parallel, delayed, parallel_config

    def tasks() -> Iterator[Any]:
        for number, frame in enumerate(_source_parts(source)):
            if number == 0 and options["text"] is None:
                options["text"] = find_text_column(frame)
            done = _summary_file(folder, number)
            yield delayed(_read_summary)(done) if done.exists() else delayed(_tag_part)(folder, number, frame, options)

    if count == 1:
        yield from (function(*args, **kwargs) for function, args, kwargs in tasks())
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        yield from Parallel(n_jobs=count, return_as="generator", batch_size=1, pre_dispatch=count + 2, max_nbytes=None)(tasks())


def _worker_count(workers: int | None, source: Path) -> int:
    """How many processes to use."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers!r}, but must be at least 1")
    if workers is None and source.is_file() and source.stat().st_size < 8_000_000:
        return 1  # starting a process takes longer than tagging this
    return workers or os.cpu_count() or 1


def _start_workers(count: int) -> Iterator[None]:
    """Let the worker processes start and import what they need while this one still prepares."""
    from joblib import Parallel, delayed, parallel_config

    if count == 1:
        return iter(())
    with parallel_config(backend="loky", inner_max_num_threads=1):
        started: Iterator[None] = Parallel(n_jobs=count, return_as="generator", batch_size=1, max_nbytes=None)(
            delayed(_started)() for _ in range(count)
        )
    return started


def _started() -> None:
    """Tag something, so that imports and tables are there, and as much memory as a part takes.

    A worker whose memory grows by 300 MB after its first task is taken for a leaking one by loky, and replaced.
    """
    load().tag(["楼上漏水泡了我家天花板，找了三次都不管，今天在楼道里吵起来了，没动手。" * 4] * 4096)


def _source_parts(source: Path) -> Iterator[pd.DataFrame]:
    if source.is_file() or not source.exists():
        yield from iter_archive(source, PART_ROWS)
        return
    for path in _files_in(source):
        for frame in iter_archive(path, PART_ROWS):
            yield frame.assign(文件=str(path.relative_to(source)))


def _files_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READABLE and not path.name.startswith((".", "~$")))
    if not found:
        raise ArchiveError(f"{folder}: holds no file of type {', '.join(READABLE)}")
    return found


def _summarize(tagged: pd.DataFrame, text: Any, failed: int) -> Summary:
    names = {
        name: name if f"{name}_tag" not in tagged.columns else f"{name}_tag"
        for name in ("category", "risk", "high_risk_p", "needs_review", "evidence")
    }
    summary = Summary(rows=len(tagged), needs_review=int(tagged[names["needs_review"]].sum()), failed=failed)
    summary.categories = {str(label): int(n) for label, n in tagged[names["category"]].value_counts().items()}
    if names["risk"] in tagged.columns:
        summary.risks = {str(level): int(n) for level, n in tagged[names["risk"]].value_counts(sort=False).items()}
        top = tagged.nlargest(_TOP, names["high_risk_p"])
        kept = [names[name] for name in ("category", "risk", "high_risk_p", "evidence") if names[name] in top.columns]
        summary.urgent = [{"text": str(row[text])[:200], **{name: row[name] for name in kept}} for row in top.to_dict("records")]
    return summary


def _part_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.parquet"


def _summary_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _read_summary(path: Path) -> Summary:
    return Summary(**json.loads(path.read_text(encoding="utf-8")))


# ---------------------------------------------------------------- the manifest


def _prepare(folder: Path, source: Path, tagger: DisputeTagger, options: dict[str, Any], resume: bool) -> None:
    """Make the folder of parts with its model and manifest, or check that those that are there belong to this run."""
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)
        fresh = folder / f"{_MODEL}.new"
        tagger.save(fresh)
        manifest = {"source": _fingerprint(source), "model": _digest(fresh), "options": options}
        there = folder / _MANIFEST
        if there.exists():
            before = json.loads(there.read_text(encoding="utf-8"))
            changed = [what for what in manifest if manifest[what] != before.get(what)]
            if changed:
                fresh.unlink()
                raise ArchiveError(
                    f"{folder}: an interrupted run had another {' and '.join(changed)}; "
                    "start over with resume=False (--no-resume), or give the same as then"
                )
            fresh.unlink()
            return
        fresh.replace(folder / _MODEL)
        part = folder / f"{_MANIFEST}.part"
        part.write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(there)
    except OSError as error:
        raise ArchiveError(f"{folder.parent}: cannot be written to ({error.strerror or error})") from None


def _fingerprint(source: Path) -> list[list[Any]]:
    if source.is_dir():
        return [[str(path.relative_to(source)), path.stat().st_size, _digest(path)] for path in _files_in(source)]
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file")
    return [[source.name, source.stat().st_size, _digest(source)]]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_space(source: Path, target: Path) -> None:
    """Raise where the disk surely cannot hold the parts and the target."""
    if not source.is_file():
        return
    needed, free = 2 * source.stat().st_size, shutil.disk_usage(target.absolute().parent).free
    if free < needed:
        raise ArchiveError(f"{target}: the disk has {free / 1e6:.0f} MB left, but about {needed / 1e6:.0f} MB are needed; free some space")


# ---------------------------------------------------------------- progress


class _bar:
    """Progress with rate and remaining time, in terminals and notebooks."""

    def __init__(self, shown: bool, source: Path) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        speed = TextColumn("{task.fields[rate]}")
        columns = (
            TextColumn("标注"),
            BarColumn(),
            MofNCompleteColumn(),
            speed,
            TimeElapsedColumn(),
            TextColumn("剩余"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, disable=not shown)
        self._task = self._progress.add_task("", total=_count_rows(source), rate="")

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()

        def advance(rows: int) -> None:
            task = self._progress.tasks[0]
            self._progress.update(self._task, advance=rows, rate=f"{task.speed:,.0f} 条/秒" if task.speed else "")

        return advance

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()


def _count_rows(source: Path) -> int | None:
    """How many rows a source has, where that is quickly known."""
    if source.suffix.lower() == ".parquet" and source.is_file():
        import pyarrow.parquet as pq

        try:
            return int(pq.ParquetFile(source).metadata.num_rows)
        except OSError:
            return None
    if source.suffix.lower() in (".csv", ".tsv", ".jsonl") and source.is_file():
        with source.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - (source.suffix.lower() != ".jsonl") or None
    return None
