"""Cut a diary into its dated entries."""

from __future__ import annotations

import re
from typing import NamedTuple

from disputenlp.cleaning import clean_batch

__all__ = ["Entry", "split_entries"]


class Entry(NamedTuple):
    """One dated entry of a diary.

    Attributes
    ----------
    text : str
        The entry without its date heading.
    date : str or None
        ``2023-05-13``, ``05-13`` where no year is known, None before the first heading.
    start : int
        Offset of ``text`` in the whole, in characters.
    """

    text: str
    date: str | None
    start: int


_DAY = r"(?P<month{n}>1[0-2]|0?[1-9])\s*{sep}\s*(?P<day{n}>3[01]|[12]\d|0?[1-9])"
_WEEKDAY = r"(?:\s*[(\uff08]?(?:星期|周|礼拜)[一二三四五六日天][)\uff09]?)?"
_PART_OF_DAY = r"(?:\s*(?:上午|下午|早上|早晨|中午|晚上|傍晚|夜里|凌晨|全天))?"
_WEATHER = r"(?:\s*(?:天气)?[:\uff1a]?\s*(?:晴|阴|多云|小雨|中雨|大雨|暴雨|阵雨|雷阵雨|雨|雪|小雪|大雪|雾|霾|大风|风|转|间|到|夹|、|\s)+(?=[\s,\uff0c。:\uff1a]|$))?"
_DATE = re.compile(
    r"^[ \t\u3000]*(?:【|\[|日期[:\uff1a])?\s*(?:(?P<year>(?:19|20)\d{2})\s*[年./-]\s*)?(?:"
    + _DAY.format(n=1, sep="月")
    + r"\s*[日号](?![楼院门栋房铺店桥线机])|"
    + _DAY.format(n=2, sep=r"(?P<sep>[./-])")
    + r"(?![\d./%-]|\s*(?:[号栋元万斤亩个人户楼室米岁点倍分秒吨平升度折亿千百成寸尺里年股厘毫克块份次级页层条家]|小时|公[里斤分顷]|天(?!气)))"
    + rf")(?:】|\])?{_WEEKDAY}{_PART_OF_DAY}{_WEATHER}[ \t\u3000]*[:\uff1a,\uff0c。]?[ \t\u3000]*",
    re.MULTILINE,
)
_LONG_LINE = 12


def split_entries(text: str) -> list[Entry]:
    r"""Cut a diary at its date headings.

    A heading is a date at the beginning of a line: ``4月26日 星期二 晴``, ``2023.5.13``, ``5/13上午``. What stands before the first one is an
    entry of its own, without a date. Within an entry, a paragraph that repeats an earlier one word for word is dropped (pages copied from the
    web hold their body twice); short lines stay, since people do write 无异常 every day.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Entry

    Examples
    --------
    >>> split_entries("2023.5.13 周六 晴\n走访3户，无异常\n5/14上午 楼上漏水")
    [Entry(text='走访3户，无异常', date='2023-05-13', start=15), Entry(text='楼上漏水', date='2023-05-14', start=31)]
    """
    headings = [found for found in _DATE.finditer(text) if _is_heading(text, found)]
    bounds: list[tuple[int, int, str | None]] = [(0, headings[0].start() if headings else len(text), None)]
    year: str | None = None
    month = 0
    for number, found in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        now = int(found["month1"] or found["month2"])
        if found["year"]:
            year = found["year"]
        elif year and now < month - 6:  # from December to January, and nobody writes the year
            year = str(int(year) + 1)
        month = now
        day = f"{now:02d}-{int(found['day1'] or found['day2']):02d}"
        bounds.append((found.end(), end, f"{year}-{day}" if year else day))
    entries = []
    for start, end, date in bounds:
        body = text[start:end]
        if body.strip():
            lead = len(body) - len(body.lstrip())
            entries.append(Entry(_unrepeated(body.strip()), date, start + lead))
    return entries


def _is_heading(text: str, found: re.Match[str]) -> bool:
    """Whether a date stands for the day of the entry: alone on its line, or with a year, a weekday or the like, or with words after it."""
    rest = text[found.end() : found.end() + 1]
    if found["sep"] is None:
        return True
    # "3.5" may be a number, and "5-13" the start of a room: without a year, what follows must not make it one.
    return bool(found["year"]) or found["sep"] != "-" or rest in ("", "\n", "\r")


def _unrepeated(body: str) -> str:
    lines = body.split("\n")
    if len(lines) == 1:
        return body
    cleaned = clean_batch(lines).texts()
    kept: list[str] = []
    seen: list[str] = []
    for line, plain in zip(lines, cleaned, strict=True):
        if len(plain) >= _LONG_LINE and any(plain in earlier for earlier in seen):
            continue
        kept.append(line)
        if len(plain) >= _LONG_LINE:
            seen.append(plain)
    return "\n".join(kept)
