"""Spans of code points as 64-bit hashes, looked up for a whole batch at once.

Words, cue terms and words to neutralize all are spans of the text that have to be found in a table. As strings, each would be made, hashed and
looked up by itself, which is where a tokenizer's user spends his time after the tokenizer. With the sums of ``code · B^position`` over a batch
(mod 2^64, after Rabin and Karp 1987), the hash of any span is one subtraction and one product, and :class:`HashIndex` finds a million of them
without a loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import encode

__all__ = ["HashIndex", "Matcher", "SpanHashes"]

_BASE = 0x9E3779B97F4A7C15
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_BIGRAM_BITS = 18
_LONGEST = 31


class SpanHashes:
    """Hashes of spans of one array of code points: equal spans have equal hashes, wherever they stand.

    Parameters
    ----------
    codes : ndarray of uint32, shape (n_chars,)

    Examples
    --------
    >>> hashes = SpanHashes(encode("漏水又漏水"))
    >>> first, second = hashes.of(np.array([0, 3]), np.array([2, 2]))
    >>> bool(first == second)
    True
    """

    def __init__(self, codes: NDArray[np.uint32]) -> None:
        self._sums = np.zeros(len(codes) + 1, dtype=np.uint64)
        np.cumsum(codes * _powers(_BASE, len(codes)), out=self._sums[1:])

    def of(self, start: NDArray[np.integer], length: NDArray[np.integer] | int) -> NDArray[np.uint64]:
        """Hash of each span, given its start and length."""
        inverse = _powers(pow(_BASE, -1, 1 << 64), len(self._sums))
        return np.asarray((self._sums[start + length] - self._sums[start]) * inverse[start])


_power_cache: dict[int, NDArray[np.uint64]] = {}


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    known = _power_cache.get(base)
    if known is None or len(known) < count:
        known = np.full(1 << max(count - 1, 1).bit_length(), base, dtype=np.uint64)
        known[0] = 1
        np.cumprod(known, out=known)
        _power_cache[base] = known
    return known[:count]


class HashIndex:
    """The place of each of many hashes in a list of known ones; -1 for those that are not in it.

    Two tables, addressed by different bits: a hash that finds its slot in the first one taken is in the second.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n,)
        All different.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._hashes = hashes
        bits = max(len(hashes), 8).bit_length() + 4
        while not self._fill(bits):
            bits += 1

    def _fill(self, bits: int) -> bool:
        self._shifts = np.uint64(64 - bits), np.uint64(64 - bits - 11)
        self._mask = np.uint64((1 << bits) - 1)
        self._tables = np.full((2, 1 << bits), -1, dtype=np.int32)
        left = np.arange(len(self._hashes), dtype=np.int32)
        for which, table in enumerate(self._tables):
            slot = self._slot(self._hashes[left], which)
            table[slot] = left
            left = left[table[slot] != left]
        return not len(left)

    def _slot(self, hashes: NDArray[np.uint64], which: int) -> NDArray[np.uint64]:
        return np.asarray(((hashes * _SPREAD) >> self._shifts[which]) & self._mask)

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Place of each hash, int32."""
        if not len(self._hashes):
            return np.full(len(hashes), -1, dtype=np.int32)
        place = self._tables[0][self._slot(hashes, 0)]
        missing = np.flatnonzero((place < 0) | (self._hashes[place] != hashes))
        again = self._tables[1][self._slot(hashes[missing], 1)]
        place[missing] = np.where(self._hashes[again] == hashes[missing], again, -1)
        return np.asarray(place)


class Matcher:
    """All occurrences of sets of terms in an array of code points.

    The first two characters of a term, hashed, say which lengths are worth a look at a position: linear in the text, however many terms.
    A regex union of thousands of terms would try them one after the other at every character.

    Parameters
    ----------
    term_sets : sequence of sequences of str
        Terms of at most 31 characters; one may stand in several sets.

    Examples
    --------
    >>> [part.tolist() for part in Matcher([["动手"], ["没有", "没"]]).match(encode("没有动手"))]
    [[0, 0, 2], [1, 2, 2], [1, 1, 0]]
    """

    def __init__(self, term_sets: Sequence[Sequence[str]]) -> None:
        sets: dict[str, list[int]] = defaultdict(list)
        for index, terms in enumerate(term_sets):
            for term in dict.fromkeys(terms):
                sets[term].append(index)
        self._lengths = np.zeros(1 << _BIGRAM_BITS, dtype=np.uint32)
        self._single = np.zeros(0x110000, dtype=np.bool_)
        by_length: dict[int, list[str]] = defaultdict(list)
        for term in sets:
            codes = encode(term)
            if not 1 <= len(codes) <= _LONGEST:
                raise ValueError(f"the cue term {term!r} has {len(codes)} characters; 1 to {_LONGEST} are possible")
            by_length[len(codes)].append(term)
            if len(codes) == 1:
                self._single[codes[0]] = True
            else:
                self._lengths[_bigram(codes)[0]] |= np.uint32(1 << len(codes))
        self._tables = {length: _TermTable(terms, [sets[term] for term in terms]) for length, terms in sorted(by_length.items())}

    def match(self, codes: NDArray[np.uint32]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Start, length and set of each occurrence, ordered by start; all int32."""
        empty = np.empty(0, dtype=np.int32)
        if len(codes) < 2:
            return empty, empty, empty
        lengths = self._lengths[_bigram(codes)]
        candidates = np.flatnonzero(lengths)
        lengths = lengths[candidates]
        hashes = SpanHashes(codes)
        parts = [(empty, empty, empty)]
        for length, table in self._tables.items():
            if length == 1:
                at = np.flatnonzero(self._single[codes])
            else:
                at = candidates[(lengths & np.uint32(1 << length)) != 0]
                at = at[: np.searchsorted(at, len(codes) - length, side="right")]
            at, found = table.find(at, hashes.of(at, length))
            parts.append((at.astype(np.int32), np.full(len(at), length, dtype=np.int32), found))
        start, size, found = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.argsort(start, kind="stable")
        return start[order], size[order], found[order]


class _TermTable:
    """Terms of one length, and the sets that each stands in."""

    def __init__(self, terms: Sequence[str], sets: Sequence[Sequence[int]]) -> None:
        codes = encode("".join(terms))
        length = len(codes) // len(terms)
        self._index = HashIndex(SpanHashes(codes).of(np.arange(0, len(codes), length), length))
        self._count = np.array([len(indices) for indices in sets], dtype=np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._sets = np.array([index for indices in sets for index in indices], dtype=np.int32)

    def find(self, at: NDArray[np.int64], hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        row = self._index.find(hashes)
        known = row >= 0
        at, row = at[known], row[known]
        repeat = self._count[row]
        if not len(repeat) or repeat.max() == 1:
            return at, self._sets[self._first[row]]
        offset = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        return np.repeat(at, repeat), self._sets[np.repeat(self._first[row], repeat) + offset]


def _bigram(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return np.asarray((codes[:-1] * np.uint32(0x9E3779B1) + codes[1:] * np.uint32(0x85EBCA77)) >> np.uint32(32 - _BIGRAM_BITS))
