"""Models in files: :func:`load` opens the bundled one or one's own, ``make model`` trains the bundled one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.resources import as_file, files
from os import PathLike
from typing import Any

from disputenlp.archive import corpus
from disputenlp.model_file import read_seal
from disputenlp.tagger import DisputeTagger

__all__ = ["load", "model_seal", "train_bundled", "untrained"]


def load(path: str | PathLike[str] | None = None) -> DisputeTagger:
    """Open a tagger: the bundled one, or one that was saved.

    Parameters
    ----------
    path : path, default=None
        A file that :meth:`DisputeTagger.save` wrote; ``None`` for the bundled model.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, or is from a later version.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> tags = load().tag(["楼上漏水把我家天花板泡坏了，找他几次都不认账"])
    >>> tags.loc[0, "category"]
    '邻里相邻'
    """
    with _file_of(path) as file:
        return DisputeTagger.from_file(file)


def model_seal(path: str | PathLike[str] | None = None) -> str:
    """What tells a saved tagger, or the bundled one, from every other: equal content, equal seal."""
    with _file_of(path) as file:
        return read_seal(file)


def _file_of(path: str | PathLike[str] | None) -> AbstractContextManager[str | PathLike[str]]:
    return as_file(files("disputenlp").joinpath("resources", "default.dnm")) if path is None else nullcontext(path)


def untrained() -> DisputeTagger:
    """A tagger with the settings of the bundled model: one strength of regularization, found best on unseen voices, instead of a search."""
    return DisputeTagger(C=0.4, word_vectors=None, n_jobs=-1)


def train_bundled(path: str) -> None:
    """Train the bundled model on the library's own corpus and write it; what ``make model`` does."""
    notes = corpus()
    labelled: dict[str, Any] = {name: notes[name] for name in ("categories", "risk", "status")}
    untrained().fit(notes["text"], **labelled, groups=notes["voice"]).save(path)


if __name__ == "__main__":
    import sys

    train_bundled(sys.argv[1])
