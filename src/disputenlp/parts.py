"""The parts of an archive: each tagged by itself and kept on disk, with a manifest of what they belong to.

What is on disk is always whole: a file is written under another name and renamed. A part is done when its summary is there; a part that is done
is not made again. The manifest names source, model and options, and a run with others is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import READABLE, ArchiveError, find_text_column, iter_archive
from disputenlp.models import load, model_seal
from disputenlp.tagger import DisputeTagger
from disputenlp.writing import write_parts

__all__ = ["Summary", "iter_parts", "part_file", "prepare", "tag_part", "tag_table"]

#: Rows of a part: large enough that its overhead does not count, small enough that little is lost when a run is killed.
PART_ROWS = 4_096
_MODEL, _MANIFEST, _TOP = "model.dnm", "manifest.json", 5
Tags = dict[str, Any]
#: File of the model, None for the bundled one, and the seal that tells it from others that once were at the same place.
Model = tuple[Path | None, str]


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


@lru_cache(maxsize=1)
def _loaded(model: Model) -> DisputeTagger:
    return load(model[0])


def iter_parts(folder: Path, source: Path, model: Model, options: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """What there is to tag; a part that is done already comes without its rows."""
    for number, frame in enumerate(_read_parts(source, folder)):
        if number == 0 and options["text"] is None:
            options["text"] = find_text_column(frame)
        yield folder, number, None if _summary_file(folder, number).exists() else frame, model, options


def tag_part(folder: Path, number: int, frame: pd.DataFrame | None, model: Model, options: dict[str, Any]) -> Summary:
    """Tag one part, in whichever process, and keep it as a file."""
    if frame is None:
        return Summary(**json.loads(_summary_file(folder, number).read_text(encoding="utf-8")))
    tagged, failed = tag_table(_loaded(model), frame, options["text"], options["labels"], options["evidence"])
    write_parts([tagged], part_file(folder, number))
    summary = _summarize(tagged, options["text"], failed)
    part = folder / f"{number:06d}.json.part"
    part.write_text(json.dumps(asdict(summary), ensure_ascii=False), encoding="utf-8")
    # The summary comes last: a part with a summary is done.
    part.replace(_summary_file(folder, number))
    return summary


def _read_parts(source: Path, folder: Path) -> Iterator[pd.DataFrame]:
    if source.is_file():
        yield from iter_archive(source, PART_ROWS)
        return
    for path in _files_in(source, folder):
        for frame in iter_archive(path, PART_ROWS):
            yield frame.assign(**{"文件" if "文件" not in frame.columns else "来源文件": str(path.relative_to(source))})


def _files_in(source: Path, folder: Path) -> list[Path]:
    """Files of a source that is a folder, without the target and its parts, which may be in it too."""
    own, target = folder.absolute(), folder.absolute().with_name(folder.name.removesuffix(".parts"))
    found = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in READABLE
        and not path.name.startswith((".", "~$"))
        and path.absolute() != target
        and own not in path.absolute().parents
    )
    if not found:
        raise ArchiveError(f"{source}: holds no file of type {', '.join(READABLE)}")
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
        kept = [name for name in ("category", "risk", "high_risk_p", "evidence") if names[name] in top.columns]
        summary.urgent = [{"text": str(row[text])[:200], **{name: row[names[name]] for name in kept}} for row in top.to_dict("records")]
    return summary


def part_file(folder: Path, number: int) -> Path:
    """Where a tagged part is kept."""
    return folder / f"{number:06d}.parquet"


def _done(folder: Path) -> Iterator[Path]:
    return folder.glob("[0-9]*.json")


def _summary_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


# ---------------------------------------------------------------- the manifest


def prepare(folder: Path, source: Path, tagger: DisputeTagger | None, options: dict[str, Any], resume: bool) -> Model:
    """Make the folder of parts with its model and manifest, or check that the parts that are there belong to this run; gives the model."""
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)
        model = None
        if tagger is not None:
            # Under another name first: the one of an interrupted run must outlive a refusal.
            model = folder / f"{_MODEL}.new"
            tagger.save(model)
        manifest: dict[str, Any] = {"source": _fingerprint(source, folder), "model": model_seal(model), "options": options}
        there = folder / _MANIFEST
        # A run that failed before its first part was done has left nothing that could be mixed up.
        if there.exists() and any(_done(folder)):
            before = json.loads(there.read_text(encoding="utf-8"))
            changed = [what for what in manifest if manifest[what] != before.get(what)]
            if changed:
                if model is not None:
                    model.unlink()
                raise ArchiveError(
                    f"{folder}: an interrupted run had another {' and '.join(changed)}; "
                    "start over with resume=False (--no-resume), or give the same as then"
                )
        else:
            part = folder / f"{_MANIFEST}.part"
            part.write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
            part.replace(there)
        return model and model.replace(folder / _MODEL), manifest["model"]
    except OSError as error:
        raise ArchiveError(f"{folder.parent}: cannot be written to ({error.strerror or error})") from None


def _fingerprint(source: Path, folder: Path) -> list[list[Any]]:
    if source.is_dir():
        return [[str(path.relative_to(source)), path.stat().st_size, _digest(path)] for path in _files_in(source, folder)]
    return [[source.name, source.stat().st_size, _digest(source)]]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
