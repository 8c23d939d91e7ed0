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

__all__ = ["HashIndex", "Matcher", "SpanHashes", "span_hashes"]

_BASE = 0x9E3779B97F4A7C15
_SPREAD = 0xD6E8FEB86659FD93
_PREFIX_BITS = 18
_PRIMES = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)
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


def span_hashes(terms: Sequence[str]) -> NDArray[np.uint64]:
    """Hash of each of some strings, the same as that of an equal span."""
    length = np.fromiter(map(len, terms), dtype=np.int64, count=len(terms))
    return SpanHashes(encode("".join(terms))).of(np.cumsum(length) - length, length)


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

    A cascade of tables, each addressed by other bits: a hash that finds its slot in one table taken is in the next, smaller one.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n,)
        All different.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        # One entry more than there are hashes, so that the place -1 of an empty slot can be compared like any other.
        self._hashes = np.append(hashes, np.uint64(0))
        self._tables: list[_Table] = []
        left, spread = np.arange(len(hashes), dtype=np.int32), _SPREAD
        while len(left):
            table = _Table(spread, left, hashes[left])
            left = left[table.places(hashes[left]) != left]
            self._tables.append(table)
            spread = spread * _SPREAD % (1 << 64)

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Place of each hash, int32."""
        if not self._tables:
            return np.full(len(hashes), -1, dtype=np.int32)
        found = self._tables[0].places(hashes)
        open_ = self._others(found, hashes)
        for table in self._tables[1:]:
            if not len(open_):
                break
            place = table.places(hashes[open_])
            found[open_] = place
            open_ = open_[self._others(place, hashes[open_])]
        found[open_] = -1
        return found

    def _others(self, place: NDArray[np.int32], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where a slot holds another hash than the one looked for: this one may be in the next table; an empty slot says that it is not."""
        return np.flatnonzero((self._hashes[place] != hashes) & (place >= 0))


class _Table:
    """Slots for hashes, the last of those that share one has it."""

    def __init__(self, spread: int, places: NDArray[np.int32], hashes: NDArray[np.uint64]) -> None:
        bits = len(places).bit_length() + 3
        self._spread, self._shift = np.uint64(spread), np.uint64(64 - bits)
        self._slots = np.full(1 << bits, -1, dtype=np.int32)
        self._slots[self._slot(hashes)] = places

    def places(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """What is in the slot of each hash, -1 for nothing."""
        return self._slots[self._slot(hashes)]

    def _slot(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return np.asarray((hashes * self._spread) >> self._shift)


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
        # Terms ordered by length, so that those of one length can be hashed together.
        known = sorted(sets, key=len)
        lengths = [len(term) for term in known]
        if known and not 1 <= lengths[0] <= lengths[-1] <= _LONGEST:
            wrong = known[0] if lengths[0] < 1 else known[-1]
            raise ValueError(f"the cue term {wrong!r} has {len(wrong)} characters; 1 to {_LONGEST} are possible")
        codes, length = encode("".join(known)), np.array(lengths, dtype=np.int64)
        start = np.cumsum(length) - length
        self._sizes = sorted(set(lengths))
        self._index = HashIndex(SpanHashes(codes).of(start, length))
        self._count = np.array([len(sets[term]) for term in known], dtype=np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._sets = np.array([index for term in known for index in sets[term]], dtype=np.int32)
        # Which lengths a term can have that begins with this character (bit 1), these two (bit 2 and up), or these three (bit 3 and up).
        self._single = np.zeros(0x110000, dtype=np.bool_)
        self._single[codes[start[length == 1]]] = True
        padded = np.append(codes, np.zeros(2, dtype=np.uint32))
        bit = np.uint32(1) << length.astype(np.uint32)
        self._lengths = np.zeros((2, 1 << _PREFIX_BITS), dtype=np.uint32)
        for table, at in ((0, np.flatnonzero(length > 1)), (1, np.flatnonzero(length > 2))):
            np.bitwise_or.at(self._lengths[table], _prefix(padded, start[at], table + 2), bit[at])

    def match(
        self, codes: NDArray[np.uint32], hashes: SpanHashes | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Start, length and set of each occurrence, ordered by start; all int32. ``hashes`` are those of ``codes``, where they are known already."""
        if len(codes) < 2 or not self._sizes:
            empty = np.empty(0, dtype=np.int32)
            return empty, empty, empty
        padded = np.append(codes, np.zeros(2, dtype=np.uint32))
        lengths = self._lengths[0][_prefix(padded, slice(len(codes)), 2)]
        candidates = np.flatnonzero(lengths).astype(np.int32)
        lengths = lengths[candidates] & (self._lengths[1][_prefix(padded, candidates, 3)] | np.uint32(0b100))
        starts = []
        for length in self._sizes:
            if length == 1:
                starts.append(np.flatnonzero(self._single[codes]).astype(np.int32))
            else:
                at = candidates[np.flatnonzero(lengths & np.uint32(1 << length))]
                starts.append(at[: np.searchsorted(at, len(codes) - length, side="right")])
        start, size = np.concatenate(starts), np.repeat(np.array(self._sizes, dtype=np.int32), list(map(len, starts)))
        term = self._index.find((hashes or SpanHashes(codes)).of(start, size))
        hit = np.flatnonzero(term >= 0)
        hit = hit[np.argsort(start[hit], kind="stable")]
        return self._with_sets(start[hit], size[hit], term[hit])

    def _with_sets(
        self, start: NDArray[np.int32], size: NDArray[np.int32], term: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """A hit for each set that its term stands in."""
        repeat = self._count[term]
        if not len(repeat) or repeat.max() == 1:
            return start, size, self._sets[self._first[term]]
        offset = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        return np.repeat(start, repeat), np.repeat(size, repeat), self._sets[np.repeat(self._first[term], repeat) + offset]


def _prefix(codes: NDArray[np.uint32], at: NDArray[np.integer] | slice, length: int) -> NDArray[np.uint32]:
    """Hash of the first two or three characters at positions of an array that goes on for two more."""
    shifted = [codes[n:][at] * prime for n, prime in enumerate(_PRIMES[:length])]
    return np.asarray(sum(shifted[1:], shifted[0]) >> np.uint32(32 - _PREFIX_BITS))
