"""Tag whole archives: in parts, with worker processes, and so that an interrupted run can go on.

:func:`tag_archive` lets several processes tag parts of its source, which :mod:`disputenlp.parts` keeps beside the target, and joins them. A run
that was killed goes on where it stopped, and gives what an uninterrupted one gives, byte for byte.

On more than one machine, see :mod:`disputenlp.cluster`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from disputenlp.workers import Workers

if TYPE_CHECKING:
    from disputenlp.parts import Summary
    from disputenlp.tagger import DisputeTagger

__all__ = ["tag_archive"]


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
        Processes, this one among them; ``None`` takes one for each core, but only this one for a file below 8 MB.
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
    FileNotFoundError
        If there is no such source.
    ArchiveError
        If the source cannot be read, the target cannot be written, or an interrupted run had another source, model or other options.
    """
    source, target = Path(src), Path(dst)
    folder = target.with_name(target.name + ".parts")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    # The others start, and import what they need, before this process does.
    with Workers(_worker_count(workers, source), ready=_ready) as working:
        from disputenlp.archive import ArchiveError
        from disputenlp.parts import PART_ROWS, Summary, iter_parts, part_file, prepare, tag_part
        from disputenlp.writing import check_target, join_parts

        check_target(target)
        _check_space(source, target)
        options = {"text": text, "labels": labels, "evidence": evidence, "part_rows": PART_ROWS}
        model, total = prepare(folder, source, tagger, options, resume), Summary()

        def finished(advance: Callable[[int], None]) -> Iterator[Path]:
            """Files of the parts, each as soon as it and all before it are done."""
            for number, part in enumerate(working.map(tag_part, iter_parts(folder, source, model, options))):
                total.add(part)
                advance(part.rows)
                yield part_file(folder, number)

        try:
            with _bar(progress, source) as advance:
                join_parts(finished(advance), target)
        except OSError as error:
            raise ArchiveError(
                f"{target}: cannot be written ({error.strerror or error}); free some space and run the same command again"
            ) from None
        except BrokenExecutor:
            raise ArchiveError(
                f"{source}: a worker process was killed, most likely for want of memory; run the same command again with fewer workers, "
                "it goes on where it stopped"
            ) from None
    shutil.rmtree(folder, ignore_errors=True)
    return total


def _ready() -> None:
    """What a worker process can do before it knows its model."""
    from disputenlp.models import load

    load().tag(["楼上漏水"])


def _worker_count(workers: int | None, source: Path) -> int:
    """How many processes to use."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers!r}, but must be at least 1")
    if workers is None and source.is_file() and source.stat().st_size < 8_000_000:
        return 1  # starting a process takes longer than tagging this
    return workers or os.cpu_count() or 1


def _check_space(source: Path, target: Path) -> None:
    """Raise where the disk surely cannot hold the parts and the target."""
    if not source.is_file():
        return
    needed, free = 2 * source.stat().st_size, shutil.disk_usage(target.absolute().parent).free
    if free < needed:
        from disputenlp.archive import ArchiveError

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
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return int(pq.ParquetFile(source).metadata.num_rows)
        except (OSError, pa.ArrowInvalid):  # what is wrong with it is told when it is read
            return None
    if source.suffix.lower() in (".csv", ".tsv", ".jsonl") and source.is_file():
        with source.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - (source.suffix.lower() != ".jsonl") or None
    return None
