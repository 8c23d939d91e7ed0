"""Cue groups and their scope.

A cue group is a list of literal terms that say the same thing (``violence.hit_person``: 打了一拳, 扇耳光 …). The groups are data
(``resources/cues/*.toml``); they are features for the heads, not rules that override them.

What a cue means depends on what it stands under: 未动手 is no blow, 怕他动手 is none yet, and 讲解家暴案例 is a lesson. So each hit of a
scoped group carries one of :data:`SCOPES`, found by the markers of ``resources/cues/scope.toml`` in the same clause or sentence.

Matching is linear in the text and works on a whole batch at once, see :class:`~disputenlp.hashing.Matcher`.

A stranger will want :class:`CueLexicon` and :meth:`CueLexicon.find`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import HOTLINES, KIND_BASE, SEP, TextBatch, char_table, clean_batch, decode
from disputenlp.hashing import Matcher, SpanHashes
from disputenlp.taxonomy import resource_text

__all__ = ["SCOPES", "CueGroup", "CueHits", "CueLexicon", "neutralize"]

#: What a cue stands under, strongest first; ``asserted`` when nothing is found.
SCOPES = ("denied", "taught", "hypothetical", "past", "reported", "intended", "asserted")
_ASSERTED = len(SCOPES) - 1

_CLAUSE_ENDS = chr(SEP) + ",。;!?:\n"
_SENTENCE_ENDS = chr(SEP) + "。;!?\n"
# How far a denial reaches, in characters: 没 and 未 stand right before the word, 没有发生 may govern a list.
_REACH_SHORT, _REACH_LONG, _REACH_AFTER, _REACH_HYPOTHETICAL, _REACH_INTENT = 3, 12, 12, 20, 6
# The set of words that are removed, among those of who somebody is.
_REMOVED = 0
# What joins a word for who somebody is to the rest.
_FRAME_BEFORE = "患有曾系属"
_NUMERALS = "〇零一二两三四五六七八九十百千万亿几余多"


class CueGroup(NamedTuple):
    """One cue group: ``name`` is ``file.table``, ``label`` what a person is shown, ``scoped`` whether scope changes its meaning."""

    name: str
    label: str
    scoped: bool
    terms: tuple[str, ...]


class CueHits(NamedTuple):
    """Where cues were found, one row a hit.

    Attributes
    ----------
    start, length : ndarray of int32, shape (n_hits,)
        Position in the batch's code points and length.
    group : ndarray of int32, shape (n_hits,)
        Index of the group in :attr:`CueLexicon.groups`.
    scope : ndarray of int32, shape (n_hits,)
        Index into :data:`SCOPES`.
    """

    start: NDArray[np.int32]
    length: NDArray[np.int32]
    group: NDArray[np.int32]
    scope: NDArray[np.int32]


class CueLexicon:
    """Find cue terms and their scope in batches of notes.

    Parameters
    ----------
    tables : mapping of str to mapping, default=None
        For each theme its groups as read from TOML; ``None`` takes those that come with the library. The theme ``scope`` holds the
        markers.
    scope : bool, default=True
        Whether hits carry a scope at all.

    Attributes
    ----------
    groups : tuple of CueGroup
    columns : tuple of str
        Name of each feature: ``group`` or, for scoped groups, ``group|scope``.

    Examples
    --------
    >>> lexicon = CueLexicon({
    ...     "violence": {"hit": {"label": "殴打", "scoped": True, "terms": ["动手", "打了一拳"]}},
    ...     "scope": {"denied": {"terms": ["没有", "未"]}, "taught": {"terms": ["宣传"]}},
    ... })
    >>> lexicon.find(["双方没有动手", "对方打了一拳"])
    [[('动手', 'violence.hit', 'denied')], [('打了一拳', 'violence.hit', 'asserted')]]
    """

    def __init__(self, tables: Mapping[str, Mapping[str, Any]] | None = None, *, scope: bool = True) -> None:
        self.tables = {theme: dict(table) for theme, table in (tables or _bundled_tables()).items()}
        self.groups = tuple(
            CueGroup(f"{theme}.{name}", group["label"], scope and bool(group.get("scoped")), tuple(group["terms"]))
            for theme, table in self.tables.items()
            if theme != "scope"
            for name, group in table.items()
        )
        markers = self.tables.get("scope", {})
        # Notes are matched after they were neutralized, so terms must be too: 打老婆 and 打丈夫 are one.
        # Cues and markers of scope are found in one pass: the sets behind those of the groups are the markers.
        self._marker_names = tuple(markers)
        self._matcher = Matcher(_neutral([*(group.terms for group in self.groups), *(group["terms"] for group in markers.values())]))
        self._scoped = np.array([group.scoped for group in self.groups], dtype=np.bool_)
        width = np.where(self._scoped, len(SCOPES), 1)
        self._first_column = np.cumsum(width) - width
        self.columns = tuple(
            f"{group.name}|{scope}" if group.scoped else group.name
            for group in self.groups
            for scope in (SCOPES if group.scoped else ("",))
        )

    def find(self, texts: Sequence[str]) -> list[list[tuple[str, str, str]]]:
        """Per text, the term, group and scope of each hit; for looking at, not for speed."""
        batch = neutralize(clean_batch([text.lower() for text in texts]))
        hits = self.match(batch.codes)
        text, note = batch.joined(), batch.note_of()
        found: list[list[tuple[str, str, str]]] = [[] for _ in texts]
        for start, length, group, scope in zip(*(array.tolist() for array in hits), strict=True):
            found[note[start]].append((text[start : start + length], self.groups[group].name, SCOPES[scope]))
        return found

    def match(self, codes: NDArray[np.uint32], hashes: SpanHashes | None = None) -> CueHits:
        """All hits in the code points of a batch (letters in lower case), ordered by position; ``hashes``, where they are known already."""
        start, length, group = self._matcher.match(codes, hashes)
        is_cue = group < len(self.groups)
        markers = {}
        for number, name in enumerate(self._marker_names, len(self.groups)):
            of_name = np.flatnonzero(group == number)
            markers[name] = start[of_name], length[of_name]
        start, length, group = start[is_cue], length[is_cue], group[is_cue]
        scope = np.full(len(start), _ASSERTED, dtype=np.int32)
        scoped = np.flatnonzero(self._scoped[group])
        if len(scoped):
            scope[scoped] = _scopes(codes, start[scoped], length[scoped], markers)
        return CueHits(start, length, group, scope)

    def column(self, hits: CueHits) -> NDArray[np.int64]:
        """Feature column of each hit."""
        return self._first_column[hits.group] + np.where(self._scoped[hits.group], hits.scope, 0)


def _scopes(
    codes: NDArray[np.uint32],
    start: NDArray[np.int32],
    length: NDArray[np.int32],
    found: Mapping[str, tuple[NDArray[np.int32], NDArray[np.int32]]],
) -> NDArray[np.int64]:
    """Scope of each hit, from the markers around it: all of a clause or sentence share its number."""
    sentence = np.cumsum(char_table(_SENTENCE_ENDS)[codes], dtype=np.int32)
    clause = np.cumsum(char_table(_CLAUSE_ENDS)[codes], dtype=np.int32)
    empty = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))

    def before(name: str, unit: NDArray[np.int32], reach: int, width: slice = slice(0, 32)) -> NDArray[np.bool_]:
        """Whether a marker ends at most ``reach`` characters before the hit, in the same unit."""
        marker, size = found.get(name, empty)
        wanted = (size >= width.start) & (size < width.stop)
        marker, size = marker[wanted], size[wanted]
        if not len(marker):
            return np.zeros(len(start), dtype=np.bool_)
        # A marker may overlap its hit (没有动手 is itself a term of the denied kind) but must begin before it.
        last = np.searchsorted(marker, start) - 1
        previous = marker[last]
        return np.asarray((last >= 0) & (unit[previous] == unit[start]) & (start - previous - size[last] <= reach))

    def within(name: str, unit: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether the hit's unit holds a marker."""
        marker, _ = found.get(name, empty)
        has = np.zeros(unit[-1] + 1, dtype=np.bool_)
        has[unit[marker]] = True
        return has[unit[start]]

    after = found.get("denied_after", empty)[0]
    denied_after = np.zeros(len(start), dtype=np.bool_)
    if len(after):
        following = np.minimum(np.searchsorted(after, start), len(after) - 1)
        distance = after[following] - start - length
        denied_after = (distance >= 0) & (distance <= _REACH_AFTER) & (sentence[after[following]] == sentence[start])
    conditions = (
        before("denied", clause, _REACH_SHORT, slice(0, 2)) | before("denied", clause, _REACH_LONG, slice(2, 32)) | denied_after,
        within("taught", sentence) | within("taught_note", np.cumsum(codes == SEP, dtype=np.int32)),
        before("hypothetical", sentence, _REACH_HYPOTHETICAL),
        before("past", sentence, 10**6),
        before("reported", clause, 10**6),
        before("intent", clause, _REACH_INTENT),
    )
    return np.select(conditions, range(_ASSERTED), default=_ASSERTED)


def _neutral(term_sets: Sequence[Sequence[str]]) -> list[list[str]]:
    """Sets of terms as they are in notes that were neutralized."""
    flat = iter(neutralize(clean_batch([term.lower() for terms in term_sets for term in terms])).texts())
    return [[term for term in dict.fromkeys(islice(flat, len(terms))) if term] for terms in term_sets]


def neutralize(batch: TextBatch) -> TextBatch:
    """Take out of a batch what must not count: who somebody is, and how large a number is.

    Words for ethnicity, religion, origin, illness, past record, poverty and occupation are removed; of words that differ only in sex, one stands for
    both (``resources/identity.toml``). Runs of digits become one digit, but for service numbers such as 12345, and so do sums of money.
    So no score can depend on them, whatever was in the training notes.
    """
    codes, keep = batch.codes.copy(), np.ones(len(batch.codes), dtype=np.bool_)
    hits = _identity().match(batch.codes)
    for same in (False, True):
        start, length, group = _longest(*(array[(hits[2] != _REMOVED) == same] for array in hits))
        free = keep[start] & keep[start + length - 1]
        start, length, group = start[free], length[free], group[free]
        if not same:
            start, length = _with_frame(batch.codes, start, length)
        for offset in range(int(length.max(initial=0))):
            keep[start[length > offset] + offset] = False
        if same:
            codes[start] = KIND_BASE + group - 1
            keep[start] = True
    _shorten_numbers(codes, keep)
    return batch if keep.all() and (codes == batch.codes).all() else batch.edited(codes, keep)


def _with_frame(
    codes: NDArray[np.uint32], start: NDArray[np.int32], length: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Spans of words that are removed, with what only joins them to the rest: 患 before an illness, 的 behind it."""
    for _ in range(2):
        previous = codes[np.maximum(start - 1, 0)]
        before = char_table(_FRAME_BEFORE)[previous] & (start > 0)
        start, length = start - before, length + before
    after = codes[np.minimum(start + length, len(codes) - 1)] == ord("的")
    return start.astype(np.int32), (length + after).astype(np.int32)


def _shorten_numbers(codes: NDArray[np.uint32], keep: NDArray[np.bool_]) -> None:
    """Mark all but the first character of numbers as dropped, and make that one a zero; in place."""
    digit = (codes - np.uint32(48)) < 10
    numeral = digit | char_table(_NUMERALS)[codes]
    edge = np.flatnonzero(np.diff(np.concatenate(([False], numeral, [False])).astype(np.int8)))
    start, end = edge[::2], edge[1::2]
    after = codes[np.minimum(end, len(codes) - 1)]
    # "三万元" is a sum; "一个" is no number that says anything, and stays.
    money = (after == ord("元")) | (after == ord("块"))
    length = end - start
    run = np.concatenate(([0], np.cumsum(digit)))
    only_digits = run[end] - run[start] == length
    service = np.zeros(len(start), dtype=np.bool_)
    for index in np.flatnonzero(only_digits & (length >= 3) & (length <= 5)).tolist():
        service[index] = decode(codes[start[index] : end[index]]) in HOTLINES
    partly = (run[end] - run[start] > 0) & ~only_digits & ~money
    for index in np.flatnonzero(partly).tolist():  # "3万多", "20十": shorten the digits only
        part = np.flatnonzero(digit[start[index] : end[index]]) + start[index]
        first = part[np.diff(part, prepend=-2) > 1]
        keep[part] = False
        keep[first] = True
        codes[first] = ord("0")
    short = (money | only_digits) & ~service
    codes[start[short]] = ord("0")
    for offset in range(1, int(length[short].max(initial=1))):
        keep[start[short & (length > offset)] + offset] = False


def _longest(start: NDArray[np.int32], length: NDArray[np.int32], group: NDArray[np.int32]) -> tuple[NDArray[np.int32], ...]:
    """Of hits that overlap, the first and longest."""
    if len(start) < 2:
        return start, length, group
    order = np.lexsort((-length, start))
    start, length, group = start[order], length[order], group[order]
    reach = np.maximum.accumulate(start + length)
    kept = np.ones(len(start), dtype=np.bool_)
    kept[1:] = start[1:] >= reach[:-1]
    return start[kept], length[kept], group[kept]


@cache
def _identity() -> Matcher:
    """Matcher of the words to remove, which are one set, and behind it of the words that are made the same, a set each."""
    table = tomllib.loads(resource_text("identity.toml"))
    return Matcher([[word for words in table["removed"].values() for word in words], *table["same"].values()])


@cache
def _bundled_tables() -> dict[str, dict[str, Any]]:
    folder = files("disputenlp").joinpath("resources", "cues")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name.removesuffix(".toml"): tomllib.loads(resource_text(f"cues/{name}")) for name in names}
