"""De-identification: what points to a person is replaced before anything is learned from it.

Phones, ID numbers, bank cards, licence plates, e-mail and chat accounts, room numbers and street addresses, and names become neutral
marks. A stranger will want :func:`mask`; the library uses :func:`mask_batch`, in which each span becomes one private-use code point, so
that no later stage, and so no model file, can see what stood there.

Names are found by their usual patterns (张某某, 王××, 老孙头, 李大姐) and, for full names, by surname, the characters around it and the
part of speech in jieba's dictionary. This is a net with holes, not anonymization in the sense of the law: rare surnames, nicknames and
names that are also words pass. See the model card.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import MASK_BASE, TextBatch, clean_batch

__all__ = ["MASKS", "Span", "find_spans", "id_number_is_valid", "looks_like_name", "mask", "mask_batch"]

#: What can be masked, in the order of their code points from ``MASK_BASE``.
MASKS = ("姓名", "电话", "证件号", "车牌", "银行卡", "邮箱", "账号", "地址", "号码")
_NAME, _PHONE, _ID, _PLATE, _CARD, _MAIL, _ACCOUNT, _ADDRESS, _NUMBER = range(len(MASKS))


class Span(NamedTuple):
    """A span to mask: start and end in the batch's code points, and the index of its kind in ``MASKS``."""

    start: int
    end: int
    kind: int


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
    for span in find_spans(batch):
        start, end = int(batch.origin[span.start]), int(batch.origin[span.end - 1]) + 1
        out += [text[last:start], f"[{MASKS[span.kind]}]"]
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
    spans = _number_spans(batch.codes, text)
    if "@" in text:
        spans += [Span(m.start(), m.end(), _MAIL) for m in _MAIL_PATTERN.finditer(text)]
    codes = batch.codes
    if spans:  # "3栋502室王秀兰": what a number ended is a boundary for the name after it
        start, end, _ = _columns(spans)
        codes = codes.copy()
        codes[start] = codes[end - 1] = MASK_BASE
    spans += _name_spans(codes, text)
    # As plain tuples of (start, -end, kind), the order wanted is their own.
    ordered = sorted((start, -end, kind) for start, end, kind in spans)
    out: list[Span] = []
    reach = 0
    for start, negative_end, kind in ordered:
        if start >= reach:
            reach = -negative_end
            out.append(Span(start, reach, kind))
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
            done = span.end
    upper = (codes[1:] - np.uint32(65)) < 26
    for start in np.flatnonzero(upper & _table(_PROVINCES)[codes[:-1]]).tolist():
        if found := _PLATE_PATTERN.match(text, start):
            spans.append(Span(start, found.end(), _PLATE))
    for end in np.flatnonzero(_table("信xXqQ音手")[codes[:-2]] & ~_table("X")[codes[1:-1]]).tolist():
        if found := _ACCOUNT_PATTERN.match(text, max(end - 1, 0)):
            spans.append(Span(found.start(1), found.end(1), _ACCOUNT))
    return spans


def _digit_runs(codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """First digits of the runs that may be part of a number to mask: long ones, and those before a sign of one."""
    is_digit = (codes - np.uint32(48)) < 10
    edge = np.flatnonzero(np.diff(np.concatenate(([False], is_digit, [False])).astype(np.int8)))
    start, end = edge[::2], edge[1::2]
    return start[(end - start >= 7) | _table(_AFTER_DIGITS)[codes[np.minimum(end, len(codes) - 1)]]]


def _digit_span(text: str, start: int) -> Span | None:
    """Span to mask that starts at the first digit of a run, if there is one."""
    for kind, pattern in _DIGIT_PATTERNS:
        if found := pattern.match(text, start):
            if kind == _ID and found.end() - start == 18 and "*" not in found[0] and not id_number_is_valid(found[0]):
                # Mistyped ID numbers have no valid check digit; with a date in the middle they are no card either.
                kind = _ID if re.fullmatch(r"\d{6}(?:19|20)\d{2}[01]\d[0-3]\d\d{3}[\dXx]", found[0]) else _CARD
            return Span(start, found.end(), kind)
    before = text[max(0, start - 8) : start]
    if (found := _ROAD_NUMBER.match(text, start)) and (road := _ROAD.search(before)):
        return Span(start - len(before) + road.start(), found.end(), _ADDRESS)
    end = start + 1
    while end < len(text) and text[end] in "0123456789":
        end += 1
    if end - start >= 7 and _PHONE_WORD.search(before):
        return Span(start, end, _PHONE)
    return None


# ---------------------------------------------------------------- names

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫"
    "段雷龙史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文欧温祝柳邢齐庄纪舒屈项聂詹葛岳鲁倪阮柯俞耿殷骆裴涂凌阎"
)
_COMPOUND = ("欧阳", "司马", "上官", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐")
_TITLES = (
    "大姐|大妈|大爷|大叔|大哥|大嫂|大娘|大伯|阿姨|阿婆|阿公|阿伯|师傅|老师|医生|大夫|主任|书记|所长|经理|老板|奶奶|爷爷|婆婆|公公|女士|先生|小姐"
    "|老太太|老太|老汉|老头|老伯|老爹|同志|律师|法官|警官|民警|队长|组长|村长|会计|校长|叔叔|伯伯|婶婶|婶子|嫂子|爷叔|妈妈|家|氏|总|叔|婶|嫂|姨|姐|哥|伯|娘|爷|奶|婆|妈|爹|工|妹|弟"
)
_NAME_AT = re.compile(
    rf"(?:{'|'.join(_COMPOUND)}|[{_SURNAMES}])"
    rf"(?:某(?:[某甲乙丙丁一-九]|(?=[^\u4e00-\u9fa5])|)|[×xX*＊○〇□]{{1,2}}(?![A-Za-z0-9])|(?:{_TITLES}))"
)
_TITLED_FULL_NAME = re.compile(rf"[\u4e00-\u9fa5]{{1,2}}(?=(?:{_TITLES.replace('|家|', '|')}))")
_FAMILIAR_AT = re.compile(rf"[老小阿大][{_SURNAMES}](?:头儿?|汉|太|爹|嫂|哥|师傅|奶奶|爷子)?")
# Characters that may stand before a full name (the end of a title, kin word or verb), and after one.
_BEFORE = "户民主人友妻夫子女儿母父婆媳工东员长理师生板任记姐哥弟妹嫂叔伯爷奶姨舅事者方客与和同跟对向被找叫是给把将让由到访有为及姓名告请约见帮替骂打说称"
_AFTER = "说称反表与和同跟因的在向对把将被要到也不就又已两夫一家来去打骂找认提诉觉未没有住拿从所给让等之则以现今前后昨经只却便曾自父母妻儿女老小及系为于是想怕借欠买卖租开种养承"
# After these words a name is expected, so that a given name may be a word of its own (村民马德福).
_INTRODUCTIONS = frozenset(
    [
        "村民",
        "居民",
        "业主",
        "租户",
        "户主",
        "住户",
        "租客",
        "房东",
        "男子",
        "女子",
        "女儿",
        "儿子",
        "丈夫",
        "妻子",
        "媳妇",
        "邻居",
        "员工",
        "工人",
        "老板",
        "名叫",
        "姓名",
        "村里",
        "老人",
        "司机",
        "学生",
        "家长",
        "患者",
        "户名",
        "商户",
        "店主",
        "工友",
        "同事",
    ]
)
# jieba's dictionary calls these names; here they are words.
_NO_NAMES = frozenset(
    ["温馨", "高兴", "方便", "安康", "周全", "康复", "常规", "万一", "金额", "白班", "石料", "贺喜", "向好", "雷同", "马上", "常年"]
)
_NOT_GIVEN = (
    "的了是在不与和某家上下里外中前后左右这那哪么吗呢吧个只年月日时分元块钱万千百十一二三四五六七八九两几半每多少都也就还又再才刚已被把将给对向"
    "从到去来说道问要会能可得着过们它他她你我您咱且但而或及其之以所因为于由让叫使没无未非别并区村组镇乡县市省街路巷号栋楼室院户口岁亩米斤吨次件"
)


@cache
def _table(chars: str) -> NDArray[np.bool_]:
    table = np.zeros(0x110000, dtype=np.bool_)
    table[[ord(char) for char in chars]] = True
    return table


@cache
def _han_table() -> NDArray[np.bool_]:
    table = np.zeros(0x110000, dtype=np.bool_)
    table[0x4E00:0x9FA6] = True
    return table


@cache
def _dictionary() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """From jieba's dictionary: words that are no names, names, and the characters of given names."""
    source = files("jieba").joinpath("dict.txt").read_text(encoding="utf-8")
    rows = re.findall(r"^(\S{2,3}) \d+ (\S+)$", source, re.MULTILINE)
    surnames = frozenset(_SURNAMES)
    names = {word for word, tag in rows if tag == "nr" and word[0] in surnames} - _NO_NAMES
    words = {word for word, tag in rows if tag not in ("nr", "nrt", "nrfg", "x")} | _NO_NAMES
    given = {char for name in names for char in name[1:]} - set(_NOT_GIVEN)
    return frozenset(words), frozenset(names), frozenset(given)


def looks_like_name(word: str) -> bool:
    """Whether a word by itself could be a person's full name; used to keep such words out of vocabularies.

    >>> looks_like_name("王秀兰"), looks_like_name("高速路"), looks_like_name("漏水")
    (True, False, False)
    """
    if not 2 <= len(word) <= 4 or (word[0] not in _SURNAMES and word[:2] not in _COMPOUND):
        return False
    words, names, given = _dictionary()
    if word in names:
        return True
    return len(word) <= 3 and word not in words and word[1:3] not in words and all(char in given for char in word[1:])


def _name_spans(codes: NDArray[np.uint32], text: str) -> list[Span]:
    if len(codes) < 3:
        return []
    surname = np.flatnonzero(_table(_SURNAMES + "".join(name[0] for name in _COMPOUND))[codes[:-2]])
    following, han = codes[surname + 1], _han_table()
    before = codes[np.maximum(surname - 1, 0)]
    pattern = _table("某×xX*＊○〇□" + _TITLES.replace("|", "") + "阳马官葛侯甫迟孙容狐")[following]
    familiar = _table("老小阿大")[before] & (surname > 0)
    open_left = ~han[before] | _table(_BEFORE)[before] | (surname == 0)
    closed = ~han | _table(_AFTER)
    third = codes[np.minimum(surname + 3, len(codes) - 1)]
    full = open_left & han[following] & (closed[codes[surname + 2]] | closed[third] | _table(_TITLES.replace("|", ""))[third])
    spans = []
    for start, by_pattern, by_age, by_context in zip(
        *(array[pattern | familiar | full].tolist() for array in (surname, pattern, familiar, full)),
        strict=True,
    ):
        if by_pattern and (found := _NAME_AT.match(text, start)) and _is_no_word(text, start, found.end()):
            spans.append(Span(start, found.end(), _NAME))
        elif by_age and (found := _FAMILIAR_AT.match(text, start - 1)) and _is_no_word(text, start - 1, found.end()):
            spans.append(Span(start - 1, found.end(), _NAME))
        elif by_context and (end := _full_name_end(text, start)):
            spans.append(Span(start, end, _NAME))
    return spans


def _is_no_word(text: str, start: int, end: int) -> bool:
    """Whether no dictionary word covers a span, or overlaps one of two characters (高总 in 提高总体)."""
    words, _, _ = _dictionary()
    if text[start:end] in words or text[start : start + 3] in words:
        return False
    return end - start > 2 or not (text[start - 1 : start + 1] in words or text[end - 1 : end + 1] in words)


def _full_name_end(text: str, start: int) -> int | None:
    """End of the full name that starts with the surname at ``start``; None where it rather is a word."""
    words, names, given = _dictionary()
    if text[max(0, start - 1) : start + 1] in words:
        return None
    introduced = text[max(0, start - 2) : start] in _INTRODUCTIONS
    for length in (3, 2):
        end = start + length
        name = text[start:end]
        if len(name) < length or text[start : start + 2] in words or not all(char in given for char in name[1:]):
            continue
        after = text[end : end + 1]
        if not (not "\u4e00" <= after <= "\u9fa5" or after in _AFTER or _TITLED_FULL_NAME.match(text, start + 1)):
            continue
        if introduced and name not in words:
            return end
        if name in names or (name not in words and name[1:] not in words and text[end - 1 : end + 1] not in words):
            return end
    return None
