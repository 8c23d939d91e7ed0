"""De-identification: what points to a person is replaced before anything is learned from it.

Phones, ID numbers, bank cards, licence plates, e-mail and chat accounts, room numbers and street addresses, and names become neutral
marks. A stranger will want :func:`mask`; the library uses :func:`mask_batch`, in which each span becomes one private-use code point, so
that no later stage, and so no model file, can see what stood there.

Names are found by :mod:`disputenlp.names`. This is a net with holes, not anonymization in the sense of the law: rare surnames, nicknames and
names that are also words pass. See the model card.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import MASK_BASE, TextBatch, char_table, clean_batch
from disputenlp.names import name_spans

__all__ = ["MASKS", "Span", "find_spans", "id_number_is_valid", "mask", "mask_batch"]

#: What can be masked, in the order of their code points from ``MASK_BASE``.
MASKS = ("姓名", "电话", "证件号", "车牌", "银行卡", "邮箱", "账号", "地址", "号码")
_NAME, _PHONE, _ID, _PLATE, _CARD, _MAIL, _ACCOUNT, _ADDRESS, _NUMBER = range(len(MASKS))


#: Start and end in a batch's code points, and the index of the kind in ``MASKS``. There are many, so they are plain tuples.
Span = tuple[int, int, int]


def mask(text: str) -> str:
    """Text with names, numbers and addresses replaced by marks such as ``[姓名]``.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        The original text; only the masked spans differ, in full-width or otherwise dirty text too.

    Examples
    --------
    >>> mask("３栋502室王秀兰反映，楼上老孙头家漏水，电话１３８-0000-1234。")
    '[地址][姓名]反映，楼上[姓名]家漏水，电话[电话]。'
    >>> mask("已告知可拨打12345或110")
    '已告知可拨打12345或110'
    """
    batch = clean_batch([text])
    out, last = [], 0
    for first, behind, kind in find_spans(batch):
        start, end = int(batch.origin[first]), int(batch.origin[behind - 1]) + 1
        out += [text[last:start], f"[{MASKS[kind]}]"]
        last = end
    return "".join([*out, text[last:]])


def mask_batch(batch: TextBatch) -> TextBatch:
    """Put one mask code point in the place of each span of :func:`find_spans`; it keeps the offset of the span's first character."""
    spans = find_spans(batch)
    if not spans:
        return batch
    start, end, kind = _columns(spans)
    codes = batch.codes.copy()
    codes[start] = MASK_BASE + kind
    # One more inside from each span's second character on, one less from its end on.
    steps = np.zeros(len(codes) + 1, dtype=np.int8)
    steps[start + 1] += 1
    steps[end] -= 1
    return batch.edited(codes, np.cumsum(steps[:-1], dtype=np.int8) == 0)


def find_spans(batch: TextBatch) -> list[Span]:
    """Spans to mask, in order and without overlap; where two overlap, the earlier and then the longer one stays."""
    text = batch.joined()
    spans = _number_spans(batch.codes, text) + _mail_spans(batch.codes, text)
    codes = batch.codes
    if spans:  # "3栋502室王秀兰": what a number ended is a boundary for the name after it
        start, end, _ = _columns(spans)
        codes = codes.copy()
        codes[start] = codes[end - 1] = MASK_BASE
    spans += [(start, end, _NAME) for start, end in name_spans(codes, text)]
    spans.sort(key=lambda span: (span[0], -span[1]))
    out: list[Span] = []
    reach = 0
    for span in spans:
        if span[0] >= reach:
            reach = span[1]
            out.append(span)
    return out


def _columns(spans: Sequence[Span]) -> NDArray[np.int64]:
    """Starts, ends and kinds of spans."""
    return np.fromiter(chain.from_iterable(spans), dtype=np.int64, count=3 * len(spans)).reshape(-1, 3).T


# ---------------------------------------------------------------- numbers and addresses

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_MAIL_PATTERN = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}")
_PLATE_PATTERN = re.compile(rf"[{_PROVINCES}][A-Z][·. -]?[A-Z0-9*]{{4,6}}[A-Z0-9*挂学警港澳]?(?![A-Za-z0-9])")
_ACCOUNT_PATTERN = re.compile(r"(?:(?i:微信|wx|qq|vx|抖音|快手)号?码?(?:是|为|[::])? ?)([A-Za-z0-9_-]{5,24})(?![A-Za-z0-9_-])")
# Tried in this order at the first digit of a run.
_DIGIT_PATTERNS: tuple[tuple[int, re.Pattern[str]], ...] = (
    (
        _PHONE,
        re.compile(r"(?:86[- ]?)?1[3-9]\d[- ]?[\d*xX]{4}[- ]?\d{4}(?!\d)|0\d{2,3}[- ]?\d{7,8}(?!\d)|400[- ]?\d{3}[- ]?\d{4}(?!\d)"),
    ),
    (_ID, re.compile(r"\d{17}[\dXx](?![\dA-Za-z])|\d{15}(?!\d)|\d{3,10}[*xX]{4,12}\d{2,4}[\dXx](?!\d)")),
    (
        _CARD,
        re.compile(r"\d{16,19}(?!\d)|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?(?!\d)|\d{4}[*]{4,12}\d{4}(?!\d)"),
    ),
    (_NUMBER, re.compile(r"\d{9,}")),
    (
        _ADDRESS,
        re.compile(
            r"\d{1,4}(?:号楼|号院|号门|栋|幢|座|弄)(?:[A-Za-z](?![A-Za-z])|\d{1,3}(?:单元|门|梯|栋|座|号楼|号))?(?:-?\d{1,5}(?:-\d{1,4})?(?:室|号|户|房)?)?"
            r"|\d{1,3}单元(?:\d{1,5}(?:室|号|户|房)?)?"
            r"|\d{1,3}[-—]\d{1,2}[-—]\d{3,4}(?!\d)"
            r"|\d{1,2}-\d{3,4}(?![\d元人块])"
            r"|\d{2,5}(?:室|房)(?![屋产价租东间])"
            r"|\d{1,3}(?:组|队|社)\d{1,4}号"
        ),
    ),
)
_AFTER_DIGITS = "号院栋幢座弄单-—组队社室房之路*xX "
_PHONE_WORD = re.compile(r"(?:电话|手机|联系方式|座机|号码)(?:是|为|号|:)? ?$")
_ROAD = re.compile(r"[\u4e00-\u9fa5]{2,3}?(?:路|街|巷|大道|胡同)$")
_ROAD_NUMBER = re.compile(r"\d{1,5}(?:弄|号|之\d)(?:\d{1,4}(?:号楼|号|栋|室|幢))?(?:\d{1,5}室?)?")

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number_is_valid(number: str) -> bool:
    """Whether an 18-character resident ID number has a right check digit (GB 11643-1999, ISO 7064 MOD 11-2).

    >>> id_number_is_valid("11010519491231002X"), id_number_is_valid("110105194912310021")
    (True, False)
    """
    if len(number) != 18 or not number[:17].isascii() or not number[:17].isdigit():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def _number_spans(codes: NDArray[np.uint32], text: str) -> list[Span]:
    if not len(codes):
        return []
    spans, done = [], 0
    for start in _digit_runs(codes).tolist():
        if start >= done and (span := _digit_span(text, start)):
            spans.append(span)
            done = span[1]
    upper = (codes[1:] - np.uint32(65)) < 26
    for start in np.flatnonzero(upper & char_table(_PROVINCES)[codes[:-1]]).tolist():
        if found := _PLATE_PATTERN.match(text, start):
            spans.append((start, found.end(), _PLATE))
    for end in np.flatnonzero(char_table("信xXqQ音手")[codes[:-2]] & ~char_table("X")[codes[1:-1]]).tolist():
        if found := _ACCOUNT_PATTERN.match(text, max(end - 1, 0)):
            spans.append((found.start(1), found.end(1), _ACCOUNT))
    return spans


def _mail_spans(codes: NDArray[np.uint32], text: str) -> list[Span]:
    spans, done = [], 0
    for place in np.flatnonzero(codes == ord("@")).tolist():
        # Neither a longer part in front of this sign nor one behind it is an address; another sign has its own turn.
        found = _MAIL_PATTERN.search(text, max(done, place - 64), place + 400)
        if found and text.find("@", found.start()) == place:
            spans.append((found.start(), found.end(), _MAIL))
            done = found.end()
    return spans


def _digit_runs(codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """First digits of the runs that may be part of a number to mask: long ones, and those before a sign of one."""
    is_digit = (codes - np.uint32(48)) < 10
    edge = np.flatnonzero(np.diff(np.concatenate(([False], is_digit, [False])).astype(np.int8)))
    start, end = edge[::2], edge[1::2]
    return start[(end - start >= 7) | char_table(_AFTER_DIGITS)[codes[np.minimum(end, len(codes) - 1)]]]


def _digit_span(text: str, start: int) -> Span | None:
    """Span to mask that starts at the first digit of a run, if there is one."""
    for kind, pattern in _DIGIT_PATTERNS:
        if found := pattern.match(text, start):
            if kind == _ID and found.end() - start == 18 and "*" not in found[0] and not id_number_is_valid(found[0]):
                # Mistyped ID numbers have no valid check digit; with a date in the middle they are no card either.
                kind = _ID if re.fullmatch(r"\d{6}(?:19|20)\d{2}[01]\d[0-3]\d\d{3}[\dXx]", found[0]) else _CARD
            return (start, found.end(), kind)
    before = text[max(0, start - 8) : start]
    if (found := _ROAD_NUMBER.match(text, start)) and (road := _ROAD.search(before)):
        return (start - len(before) + road.start(), found.end(), _ADDRESS)
    end = start + 1
    while end < len(text) and text[end] in "0123456789":
        end += 1
    if end - start >= 7 and _PHONE_WORD.search(before):
        return (start, end, _PHONE)
    return None
