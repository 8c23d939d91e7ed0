"""From the columns that occur in a batch to one CSR row a note.

:func:`count_rows` is the TF-IDF of :class:`~disputenlp.features.NoteVectorizer`. Counting with dictionaries, note by note, is the obvious way and the
slow one: here the columns of all notes are put in order at once, so that equal ones stand side by side and are counted by their distance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["NOTHING", "Part", "Weighting", "count_rows"]

#: Column of what has none: a word or n-gram that was not in the training notes.
NOTHING = np.uint32(0xFFFFFFFF)
_NOTES_IN_CACHE = 512
# Notes are put in order as rows of a table, as wide as the longest; one that would be emptier than this is not made.
_MOST_PADDING = 6


class Part(NamedTuple):
    """Where features of one sort occur in a batch, in the order of the text: column, first position and length in code points."""

    column: NDArray[np.uint32]
    start: NDArray[np.int32]
    length: NDArray[np.int32] | int


class Weighting(NamedTuple):
    """How occurrences become values.

    Attributes
    ----------
    idf : ndarray of float32, shape (n_features,)
    ends : tuple of int
        Where each block of columns ends; blocks are normalized by themselves.
    weights : tuple of float
        Length of each block of a note.
    sublinear : bool
        Whether a count becomes 1 + log(count).
    """

    idf: NDArray[np.float32]
    ends: tuple[int, ...]
    weights: tuple[float, ...]
    sublinear: bool


def count_rows(parts: Sequence[Part], starts: NDArray[np.int64], how: Weighting) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
    """Features of a batch, and the factor of each block of each of its notes.

    Parameters
    ----------
    parts : sequence of Part
    starts : ndarray of int64, shape (n_notes + 1,)
        Where the notes begin and end in the batch's code points.
    how : Weighting

    Returns
    -------
    X : csr_matrix of float32, shape (n_notes, n_features)
        Indices are sorted.
    scale : ndarray of float32, shape (n_notes, n_blocks)
    """
    done = [_count(*part, how) for part in _slices(parts, starts)]
    data, column, sizes, scale = (np.concatenate(arrays) for arrays in zip(*done, strict=True))
    X = sp.csr_matrix((len(starts) - 1, len(how.idf)), dtype=np.float32)
    X.data, X.indices, X.indptr = data, column, np.append(0, np.cumsum(sizes)).astype(np.int32)
    return X, scale


def _slices(parts: Sequence[Part], starts: NDArray[np.int64]) -> Iterator[tuple[list[Part], NDArray[np.int64]]]:
    """Parts and starts of some notes at a time, so few that all about them fits into the processor's cache."""
    for first in range(0, max(len(starts) - 1, 1), _NOTES_IN_CACHE):
        some = starts[first : first + _NOTES_IN_CACHE + 1]
        bounds = [np.searchsorted(part.start, some[[0, -1]]) for part in parts]
        yield [Part(part.column[i:j], part.start[i:j], part.length) for part, (i, j) in zip(parts, bounds, strict=True)], some


def _count(
    parts: Sequence[Part], starts: NDArray[np.int64], how: Weighting
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Values, columns, number of features of each note and factors of its blocks."""
    columns, row_ends = _in_order(parts, starts)
    begins = np.empty(len(columns) + 1, dtype=np.bool_)
    np.not_equal(columns[1:], columns[:-1], out=begins[1:-1])
    begins[0] = begins[row_ends] = True
    at = np.flatnonzero(begins)
    known = np.flatnonzero(columns[at[:-1]] != NOTHING)
    place = at[known]
    column = columns[place].view(np.int32)
    data = how.idf[column]
    # Most features occur once in a note.
    twice = np.flatnonzero(~begins[place + 1])
    count = at[known[twice] + 1] - place[twice]
    data[twice] *= 1 + np.log(count) if how.sublinear else count
    indptr = np.append(0, np.searchsorted(place, row_ends))
    # Where each block of each note ends: how many columns of the note are below the end of the block.
    below = [np.append(0, np.cumsum(column < end, dtype=np.int32)) for end in how.ends[:-1]]
    ends = [indptr[:-1] + total[indptr[1:]] - total[indptr[:-1]] for total in below]
    bounds = np.append(0, np.stack([*ends, indptr[1:]], axis=1))
    sizes = np.diff(bounds)
    filled = np.flatnonzero(sizes)
    squares = np.zeros(len(sizes), dtype=np.float32)
    if len(filled):
        squares[filled] = np.add.reduceat(np.square(data), bounds[filled])
    length = np.sqrt(squares).reshape(-1, len(how.ends))
    scale = (np.array(how.weights, dtype=np.float32) / np.maximum(length, np.float32(1e-6))).astype(np.float32)
    data *= np.repeat(scale.ravel(), sizes)
    return data, column, np.diff(indptr), scale


def _in_order(parts: Sequence[Part], starts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Columns of all notes, in order within each note, and where each note's end; the last of a note may be ``NOTHING``."""
    counts = [np.diff(np.searchsorted(part.start, starts)) for part in parts]
    widths = [int(count.max(initial=0)) for count in counts]
    n_notes, width, total = len(starts) - 1, sum(widths), sum(len(part.column) for part in parts)
    if n_notes > 1 and n_notes * width > _MOST_PADDING * total + 4096:
        note = np.concatenate([np.repeat(np.arange(n_notes, dtype=np.uint64), count) for count in counts])
        keys = np.sort(note << np.uint64(32) | np.concatenate([part.column for part in parts]))
        return keys.astype(np.uint32), np.cumsum(np.sum(counts, axis=0))
    # Many short rows are put in order in a fraction of the time that one long array takes.
    table = np.full((n_notes, width), NOTHING, dtype=np.uint32)
    first = 0
    for part, count, size in zip(parts, counts, widths, strict=True):
        table[:, first : first + size][np.arange(size) < count[:, None]] = part.column
        first += size
    table.sort(axis=1)
    return table.ravel(), np.arange(1, n_notes + 1) * width
