"""Clean text, with a map back to the original.

Real notes are dirty: full-width digits, traditional characters, pinyin in brackets copied from web pages (``纠纷(jiūfēn)``), HTML
leftovers, zero-width and control characters. A stranger will want :func:`clean`; the library itself uses :func:`clean_batch`, which
gives a :class:`TextBatch`: the code points of all notes in one array, and for each of them its offset in the original note, so that
evidence found at the end can be shown in the words of the beginning.

Why an array of code points and not a list of strings? Because every later stage (masking, character n-grams, cues) can then work on
a whole batch with a few NumPy operations, and because deleting a character keeps the map exact for free.
"""

from __future__ import annotations

import html
import math
import numbers
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HOTLINES", "KIND_BASE", "MASK_BASE", "MAX_CHARS", "SEP", "TextBatch", "as_text", "as_texts", "clean", "clean_batch", "slices"]

#: Closes every note of a batch; cannot occur inside one, because control characters are deleted.
SEP = 0x1E
#: First code point that stands for something masked (see :mod:`disputenlp.privacy`); private-use characters of the input are deleted.
MASK_BASE = 0xE000
#: First code point that stands for one of several words that differ only in who somebody is (see :func:`disputenlp.cues.neutralize`).
KIND_BASE = MASK_BASE + 0x40
#: Numbers that name a service: they say who was called, not how many.
HOTLINES = frozenset("110 119 120 122 315 12110 12315 12333 12345 12348 12355 12338 12368 12369 12388 12389".split())  # noqa: SIM905
#: Longer notes are cut here (a note has 15 to 600 characters; what is longer is not one note) and sent to review.
MAX_CHARS = 20_000

# Most notes and characters of one batch.
_BATCH_NOTES, _BATCH_CHARS = 4096, 800_000
_DELETED = 0
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"


class TextBatch(NamedTuple):
    """Notes as one array of code points.

    Attributes
    ----------
    codes : ndarray of uint32, shape (n_chars,)
        Code points of all notes, one note after the other, each closed by ``SEP``.
    starts : ndarray of int64, shape (n_notes + 1,)
        Note ``i`` is ``codes[starts[i]:starts[i + 1] - 1]``.
    origin : ndarray of int32, shape (n_chars,)
        Offset of each code point in its original note, in characters.
    """

    codes: NDArray[np.uint32]
    starts: NDArray[np.int64]
    origin: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of notes."""
        return len(self.starts) - 1

    def joined(self) -> str:
        """All notes as one string, whose positions are those of ``codes``."""
        return decode(self.codes)

    def texts(self) -> list[str]:
        """The notes as strings."""
        return self.joined().split(chr(SEP))[:-1]

    def note_of(self) -> NDArray[np.int32]:
        """Index of the note that each code point belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))

    def edited(self, codes: NDArray[np.uint32], keep: NDArray[np.bool_]) -> TextBatch:
        """Return the batch with ``codes`` in place of its own, less those where ``keep`` is false."""
        if keep.all():
            return TextBatch(codes, self.starts, self.origin)
        kept = np.flatnonzero(keep)
        return TextBatch(codes[kept], np.searchsorted(kept, self.starts), self.origin[kept])


def slices(texts: Sequence[str]) -> Iterator[slice]:
    """Cut many texts into batches: large enough that what a batch costs by itself does not count, small enough for any machine.

    >>> list(slices(["漏水"] * 5000))
    [slice(0, 4096, None), slice(4096, 5000, None)]
    """
    start = chars = 0
    for end, text in enumerate(texts):
        if end - start == _BATCH_NOTES or (chars + len(text) > _BATCH_CHARS and end > start):
            yield slice(start, end)
            start, chars = end, 0
        chars += len(text)
    yield slice(start, len(texts))


def as_text(value: Any) -> str | None:
    """Text of one cell, or None where the cell holds no text.

    ``None`` and NaN are no text. Numbers become their digits and bytes are decoded (UTF-8, else GB18030), because a spreadsheet
    hands those over where a person typed text.

    >>> as_text("漏水"), as_text(float("nan")), as_text(12345), as_text("楼上漏水".encode("gbk"))
    ('漏水', None, '12345', '楼上漏水')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        raw = bytes(value)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("gb18030", errors="replace")
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, numbers.Real):
        return None if math.isnan(float(value)) else str(value)
    return None


def as_texts(values: Iterable[Any]) -> list[str]:
    """Turn cells of any kind into strings; what is no text becomes the empty string, what is longer than ``MAX_CHARS`` is cut."""
    return [(as_text(value) or "")[:MAX_CHARS] for value in values]


def clean(text: str) -> str:
    """Text without the dirt, otherwise unchanged.

    Folds full-width letters, digits and signs to their usual width, traditional characters to simplified ones, and white space and
    repeated punctuation to one; removes pinyin in brackets after Han text, HTML tags and entities, zero-width, control and
    private-use characters.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Notes
    -----
    Brackets are only removed when they hold nothing but pinyin: ``(微信wx123)`` and ``(A栋)`` say something and stay. Entities are
    only read with their semicolon: ``html.unescape`` alone would damage ``A&B``.

    Examples
    --------
    >>> clean("积累了“枫桥经验(jīngyàn)”，情況(kuàng)<b>属实</b>&nbsp;！！！")
    '积累了“枫桥经验”,情况属实 !'
    >>> clean("住３栋（Ａ座），加我(微信wx123)")
    '住3栋(A座),加我(微信wx123)'
    """
    return clean_batch([text]).texts()[0]


def clean_batch(texts: Sequence[str]) -> TextBatch:
    """Clean many notes at once; see :func:`clean` for what is done.

    Each note is cleaned by itself: the result does not depend on which notes it shares the batch with.
    """
    batch = _to_batch(texts)
    codes = _fold_table()[batch.codes]
    _simplify(codes, batch.starts)
    batch = _undirty(batch.edited(codes, codes != _DELETED))
    return _unrepeat(batch)


def _undirty(batch: TextBatch) -> TextBatch:
    """Remove entities, tags and pinyin from the few notes that may hold any, and leave the others alone."""
    codes = batch.codes
    letter = (codes > 0x40) & (codes < 0x200) | (codes == ord(" "))
    signs = (codes == ord("&")) | (codes == ord("<")) | (codes == ord("("))
    signs[:-1] &= letter[1:] | (codes[1:] == ord("#")) | (codes[1:] == ord("/")) | (codes[1:] == ord("!"))
    notes = np.unique(np.searchsorted(batch.starts, np.flatnonzero(signs), side="right") - 1)
    if not len(notes):
        return batch
    size = np.diff(batch.starts)
    dirty = np.zeros(len(batch), dtype=np.bool_)
    dirty[notes] = True
    inside = np.repeat(dirty, size)
    some = TextBatch(codes[inside], np.append(0, np.cumsum(size[notes])), batch.origin[inside])
    for edit in (_entities, _tags, _pinyin):
        some = edit(some)
    return _spliced(batch, inside, notes, some)


def _spliced(batch: TextBatch, inside: NDArray[np.bool_], notes: NDArray[np.int64], some: TextBatch) -> TextBatch:
    """Return the batch with ``some`` in the place of these of its notes, none of which has grown."""
    size = np.diff(batch.starts)
    shorter = size[notes] - np.diff(some.starts)
    keep = np.ones(len(batch.codes), dtype=np.bool_)
    ends = batch.starts[notes + 1]
    for end, gone in zip(ends[shorter > 0].tolist(), shorter[shorter > 0].tolist(), strict=True):
        keep[end - gone : end] = False
    codes, origin = batch.codes.copy(), batch.origin.copy()
    put = inside & keep
    codes[put], origin[put] = some.codes, some.origin
    return TextBatch(codes, batch.starts, origin).edited(codes, keep)


def decode(codes: NDArray[np.uint32]) -> str:
    """String of an array of code points."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


def encode(text: str) -> NDArray[np.uint32]:
    """Array of the code points of a string; lone surrogates pass."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32, copy=False)


@cache
def char_table(chars: str) -> NDArray[np.bool_]:
    """Whether a code point is one of these characters."""
    table = np.zeros(0x110000, dtype=np.bool_)
    table[encode(chars)] = True
    return table


def _to_batch(texts: Sequence[str]) -> TextBatch:
    sep = chr(SEP)
    joined = sep.join(texts) + sep if texts else ""
    if joined.count(sep) != len(texts):
        joined = sep.join(text.replace(sep, " ") for text in texts) + sep
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    starts = np.concatenate(([0], np.cumsum(lengths)))
    origin = np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], lengths)
    return TextBatch(encode(joined), starts, origin.astype(np.int32))


@cache
def _fold_table() -> NDArray[np.uint32]:
    """For every code point, the one it becomes; 0 where it is deleted."""
    table = np.arange(0x110000, dtype=np.uint32)
    table[:0x20] = table[0x7F:0xA0] = table[0xD800:MASK_BASE] = table[MASK_BASE:0xF900] = _DELETED
    table[0xF0000:] = table[0xFE00:0xFE10] = table[0xE0000:0xE0200] = _DELETED
    for point in (
        0xAD,
        0x61C,
        0x180E,
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        0xFFFD,
    ):
        table[point] = _DELETED
    table[[0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029]] = ord("\n")
    table[[0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]] = ord(" ")
    table[[ord("\n"), SEP]] = ord("\n"), SEP
    # Width forms, CJK compatibility ideographs and radicals (which OCR and PDF copies are full of).  Circled digits stay:
    # folding "①3栋" would give "13栋".
    for low, high in ((0xFF01, 0xFFEF), (0xF900, 0xFB00), (0x2E80, 0x2FE0), (0x2010, 0x2012)):
        for point in range(low, high):
            folded = unicodedata.normalize("NFKC", chr(point))
            if len(folded) == 1:
                table[point] = ord(folded)
    return table


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


@cache
def _simplified_table() -> NDArray[np.uint32]:
    """For every code point of the basic plane, its simplified form when it stands alone."""
    table = np.arange(0x110000, dtype=np.uint32)
    han = [chr(point) for low, high in ((0x3400, 0x4DC0), (0x4E00, 0xA000)) for point in range(low, high)]
    for before, after in zip(han, _converter().convert("\n".join(han)).split("\n"), strict=True):
        if len(after) == 1:
            table[ord(before)] = ord(after)
    return table


def _simplify(codes: NDArray[np.uint32], starts: NDArray[np.int64]) -> None:
    """Traditional to simplified, in place.

    Character by character would spoil words that are already simplified (乾隆, 著名), so notes that hold a character with another
    simplified form go through OpenCC's phrases; the few others, where the phrases change the length, by the character.
    """
    single = _simplified_table()[codes]
    changed = np.flatnonzero(single != codes)
    if not len(changed):
        return
    for note in np.unique(np.searchsorted(starts, changed, side="right") - 1):
        part = slice(starts[note], starts[note + 1])
        converted = encode(_converter().convert(decode(codes[part]).replace("\x00", "\ue000")))
        if len(converted) == starts[note + 1] - starts[note]:
            codes[part] = np.where(codes[part] == _DELETED, _DELETED, converted)
        else:
            codes[part] = single[part]


_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_TAG = re.compile(rf"<!--[^\x1e]*?-->|<(script|style)\b[^\x1e]*?</\1 *>|</?[a-zA-Z][^<>\x1e{_HAN}]*>", re.IGNORECASE)
_LINE_TAG = re.compile(r"</?(?:br|p|div|li|tr|h\d)\b", re.IGNORECASE)
_LETTER = "a-zA-ZüÜ"
_TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜńňǹḿĀÁǍÀĒÉĚÈŌÓǑÒ"
# All pinyin with at least one tone mark, or one of the few syllables that carry none (的, 们, 了 …).
_PINYIN = re.compile(
    rf"(?<=[{_HAN}])\( *(?:[{_LETTER}'’ -]*[{_TONED}][{_LETTER}{_TONED}'’ -]*"
    r"|de|di|men|le|ma|ne|ba|zi|me|zhe|tou|ge|guo|la|ya|a) *\)"
)


def _entities(batch: TextBatch) -> TextBatch:
    """Replace HTML entities; ``&amp;nbsp;`` was escaped twice and is read twice."""
    for _ in range(2):
        text = batch.joined() if (batch.codes == ord("&")).any() else ""
        spans = [(m.start(), m.end(), html.unescape(m[0])) for m in _ENTITY.finditer(text)]
        spans = [span for span in spans if len(span[2]) == 1]
        if not spans:
            break
        batch = _replace(batch, ((start, end, int(_fold_table()[ord(char)])) for start, end, char in spans))
    return batch


def _tags(batch: TextBatch) -> TextBatch:
    """Remove HTML tags; those that end a line leave a line break."""
    if not (batch.codes == ord("<")).any():
        return batch
    matches = _TAG.finditer(batch.joined())
    return _replace(batch, ((m.start(), m.end(), ord("\n") if _LINE_TAG.match(m[0]) else _DELETED) for m in matches))


def _pinyin(batch: TextBatch) -> TextBatch:
    """Remove brackets that hold nothing but pinyin."""
    letter = (batch.codes > 0x40) & (batch.codes < 0x200) | (batch.codes == ord(" "))
    at = np.flatnonzero((batch.codes[:-1] == ord("(")) & letter[1:])
    if not len(at):
        return batch
    text = batch.joined()
    matches = (_PINYIN.match(text, start) for start in at.tolist())
    return _replace(batch, [(m.start(), m.end(), _DELETED) for m in matches if m])


def _replace(batch: TextBatch, spans: Iterable[tuple[int, int, int]] | Iterator[tuple[int, int, int]]) -> TextBatch:
    """Put one code point (or none) in the place of each span."""
    spans = list(spans)
    if not spans:
        return batch
    codes = batch.codes.copy()
    for start, end, code in spans:
        codes[start:end] = _DELETED
        codes[start] = code
    return batch.edited(codes, codes != _DELETED)


_REPEATABLE = " \n!?。,、;:…~—-.=_#'\"“”"


def _unrepeat(batch: TextBatch) -> TextBatch:
    """Keep the first of a run of the same punctuation mark or white space, and no blank at either end of a note."""
    codes = batch.codes
    keep = np.ones(len(codes), dtype=np.bool_)
    again = np.flatnonzero(codes[1:] == codes[:-1]) + 1
    keep[again] = ~char_table(_REPEATABLE)[codes[again]]
    blank = (codes == ord(" ")) | (codes == ord("\n"))
    first, last = batch.starts[:-1].copy(), batch.starts[1:] - 2
    # Edges that are blank move inwards until none is.
    while len(at := np.flatnonzero((first <= last) & blank[first])):
        keep[first[at]] = False
        first[at] += 1
    while len(at := np.flatnonzero((first <= last) & blank[np.maximum(last, 0)])):
        keep[last[at]] = False
        last[at] -= 1
    return batch.edited(codes, keep)
