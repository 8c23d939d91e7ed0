"""jieba tokens.

Only runs of Han characters go to the segmenter; numbers, Latin words and mask marks are tokens by a rule of our own. Why: jieba and its
Rust port rjieba cut Han runs alike (a test holds them equal) but differ on mixed text such as ``1-4``, and rjieba is ten times faster. With
Han runs only, the engine is a detail that changes nothing but speed.

A library must not change another's global dictionary or print: each tokenizer owns its segmenter, jieba's start-up messages are silenced, and
its cache is neither read from nor written to the shared temp folder.

A stranger will want :class:`JiebaTokenizer` and :func:`tokenize`.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Callable, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import HOTLINES, KIND_BASE, MASK_BASE, TextBatch, clean_batch, decode, encode
from disputenlp.privacy import MASKS, mask_batch
from disputenlp.taxonomy import resource_text

__all__ = ["CLASS_HAN", "JiebaTokenizer", "TokenBatch", "char_classes", "tokenize"]

Engine = Literal["auto", "jieba", "rjieba"]

CLASS_OTHER, CLASS_HAN, CLASS_DIGIT, CLASS_LATIN, CLASS_MASK = range(5)
#: Every number becomes this token, but for those that name a service.
NUMBER = "<数>"
_NEWLINE = ord("\n")
# Names of the code points from MASK_BASE on: the masks, and the kinds of words of which one stands for all.
_KINDS = [*MASKS, *(f"{code}" for code in range(len(MASKS), KIND_BASE - MASK_BASE)), *(f"类{number}" for number in range(64))]


class TokenBatch(NamedTuple):
    """Tokens of a batch of notes, in the order of the text.

    Attributes
    ----------
    codes : ndarray of uint32, shape (n_chars,)
        The batch's code points, with Latin letters in lower case.
    start, length : ndarray of int32, shape (n_tokens,)
        Position of each token in the batch's code points, and its length.
    classes : ndarray of uint8, shape (n_chars,)
        Class of each code point, see :func:`char_classes`.
    """

    codes: NDArray[np.uint32]
    start: NDArray[np.int32]
    length: NDArray[np.int32]
    classes: NDArray[np.uint8]

    def strings(self, wanted: NDArray[np.int64] | None = None) -> list[str]:
        """The tokens, or those at the wanted places, as strings: numbers as ``<数>``, masks by their names."""
        text = decode(self.codes)
        at = np.arange(len(self.start)) if wanted is None else wanted
        return [_token(text[first : first + size]) for first, size in zip(self.start[at].tolist(), self.length[at].tolist(), strict=True)]


class JiebaTokenizer:
    """Cut Chinese text into words with jieba's dictionary and model.

    Parameters
    ----------
    engine : {"auto", "jieba", "rjieba"}, default="auto"
        ``"auto"`` takes rjieba where it can be imported, else jieba. Both give the same tokens.
    user_dict : str, path or sequence of str, default=None
        A dictionary in jieba's format (``word [frequency [part of speech]]`` a line), as a file or as its lines. It is added to the
        domain dictionary.
    domain_dict : bool, default=True
        Whether to load the domain dictionary that comes with the library.

    Examples
    --------
    >>> JiebaTokenizer().tokenize("为维修基金打了12345，约3月5日见面")
    ['为', '维修基金', '打', '了', '12345', '约', '<数>', '月', '<数>', '日', '见面']
    >>> JiebaTokenizer(user_dict=["翻脸账 100 n"]).tokenize("一本翻脸账")
    ['一本', '翻脸账']
    """

    def __init__(
        self,
        engine: Engine = "auto",
        user_dict: str | PathLike[str] | Sequence[str] | None = None,
        *,
        domain_dict: bool = True,
    ) -> None:
        if engine not in ("auto", "jieba", "rjieba"):
            raise ValueError(f"engine is {engine!r}, but must be 'auto', 'jieba' or 'rjieba'")
        self.engine = engine
        lines = resource_text("dictionary.txt").splitlines() if domain_dict else []
        self.entries = _read_entries(lines, "dictionary.txt") + _user_entries(user_dict)
        self._cut: Callable[[str], list[str]] | None = None

    @property
    def lines(self) -> list[str]:
        """The words that were added to jieba's dictionary, in its format."""
        return [" ".join(str(field) for field in entry if field is not None) for entry in self.entries]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the segmenter out: it cannot be pickled, and is made anew where it is needed."""
        return {**self.__dict__, "_cut": None}

    def tokenize(self, text: str) -> list[str]:
        """Tokens of one text, after the library's cleaning and without masking."""
        return self.tokenize_batch(clean_batch([text])).strings()

    def tokenize_batch(self, batch: TextBatch) -> TokenBatch:
        """Tokens of a cleaned batch; see :class:`TokenBatch`."""
        classes = char_classes(batch.codes)
        parts = _split(self._cut_han(batch.codes, classes == CLASS_HAN)), _other_tokens(classes)
        start, length = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        # Both parts are in order, which is what a stable sort is quick for.
        order = np.argsort(start, kind="stable")
        return TokenBatch(np.where(classes == CLASS_LATIN, batch.codes | np.uint32(32), batch.codes), start[order], length[order], classes)

    def _cut_han(self, codes: NDArray[np.uint32], han: NDArray[np.bool_]) -> tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]:
        """Send all Han runs of a batch to the segmenter in one call, a line each; tokens, positions of what was sent, and which is Han."""
        if self._cut is None:
            self._cut = _segmenter(self.engine, self.entries)
        ends_run = np.zeros(len(codes), dtype=np.bool_)
        np.greater(han[:-1], han[1:], out=ends_run[1:])
        sent = np.flatnonzero(han | ends_run)
        return self._cut(decode(np.where(han[sent], codes[sent], np.uint32(_NEWLINE)))), sent, han


def _split(cut: tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Start and length of the Han tokens."""
    tokens, sent, han = cut
    # Lengths from one joined string: asking each token for its own takes longer.
    ends = np.flatnonzero(encode("\0".join([*tokens, ""])) == 0)
    ends -= np.arange(len(ends))
    start = sent[np.concatenate(([0], ends[:-1]))] if len(ends) else sent[:0]
    length = np.diff(ends, prepend=0).astype(np.int32)
    is_word = np.flatnonzero(han[start])
    return start[is_word].astype(np.int32), length[is_word]


def tokenize(text: str) -> list[str]:
    """Tokens of a text as the library's models see them: cleaned, masked, cut.

    >>> tokenize("张某某电话13800001234，要求退還彩禮")
    ['<姓名>', '电话', '<电话>', '要求', '退还', '彩礼']
    """
    return _default_tokenizer().tokenize_batch(mask_batch(clean_batch([text]))).strings()


def char_classes(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Class of each code point: Han, digit, Latin letter, mask or other."""
    return _class_table()[codes]


@cache
def _class_table() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    table[0x4E00:0x9FD6] = CLASS_HAN  # what jieba itself takes for Han
    table[0x30:0x3A] = CLASS_DIGIT
    table[0x41:0x5B] = table[0x61:0x7B] = CLASS_LATIN
    table[MASK_BASE : KIND_BASE + 0x40] = CLASS_MASK
    return table


@cache
def _default_tokenizer() -> JiebaTokenizer:
    return JiebaTokenizer()


def _token(span: str) -> str:
    """A span of the text as a token."""
    mask = ord(span[0]) - MASK_BASE
    if 0 <= mask < len(_KINDS):
        return f"<{_KINDS[mask]}>"
    return NUMBER if span.isdigit() and span not in HOTLINES else span


def _other_tokens(classes: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Start and length of the tokens that are not Han: runs of digits or letters, and single masks."""
    changes = np.ones(len(classes), dtype=np.bool_)
    changes[1:] = (classes[1:] != classes[:-1]) | (classes[1:] == CLASS_MASK)
    bounds = np.flatnonzero(changes)
    wanted = np.flatnonzero(classes[bounds] >= CLASS_DIGIT)
    return bounds[wanted].astype(np.int32), np.diff(bounds, append=len(classes))[wanted].astype(np.int32)


Entry = tuple[str, int | None, str | None]


def _user_entries(user_dict: str | PathLike[str] | Sequence[str] | None) -> list[Entry]:
    if user_dict is None:
        return []
    if isinstance(user_dict, str | PathLike):
        return _read_entries(Path(user_dict).read_text(encoding="utf-8-sig").splitlines(), str(user_dict))
    return _read_entries(user_dict, "user_dict")


def _read_entries(lines: Sequence[str], source: str) -> list[Entry]:
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\S+)(?:\s+(\d+))?(?:\s+([A-Za-z]+))?", line.strip())
        if not found:
            raise ValueError(f"{source}, line {number}: {line!r} is not 'word [frequency [part of speech]]'")
        entries.append((found[1], int(found[2]) if found[2] else None, found[3]))
    return entries


def _segmenter(engine: Engine, entries: Sequence[Entry]) -> Callable[[str], list[str]]:
    if engine == "rjieba" or (engine == "auto" and importlib.util.find_spec("rjieba")):
        import rjieba

        rust = rjieba.Jieba()
        for word, frequency, tag in entries:
            rust.add_word(word, frequency, tag)
        return rust.cut
    import jieba

    python = _quiet_jieba(jieba)
    total = python.total
    for word, frequency, tag in entries:
        before = python.FREQ.get(word, 0)
        python.add_word(word, frequency, tag)
        total += python.FREQ[word] - before
    # jieba counts a word twice in its sum of frequencies if it was known before; rjieba does not. The sum decides near ties.
    python.total = total
    return python.lcut  # type: ignore[no-any-return]


def _quiet_jieba(jieba: Any) -> Any:
    """Make a ``jieba.Tokenizer`` that neither prints nor touches the cache that every jieba of the machine shares."""
    tokenizer = jieba.Tokenizer()
    level = jieba.default_logger.level
    jieba.default_logger.setLevel(logging.WARNING)
    try:
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
        tokenizer.initialized = True
    finally:
        jieba.default_logger.setLevel(level)
    return tokenizer
