"""Names of persons in running text, so that they can be masked.

A name is found by its usual patterns (张某某, 王××, 老孙头, 李大姐) or, for a full name, by its surname, the characters around it and the part of speech
in jieba's dictionary. Nearly all surnames are also parts of words (高, 方, 常): so most of the work is to tell which are, for all of a batch at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import char_table, encode
from disputenlp.hashing import HashIndex

__all__ = ["looks_like_name", "name_spans"]

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
# A surname, or the first character of one of two; and what follows it in a name by pattern.
_FIRST = _SURNAMES + "".join(name[0] for name in _COMPOUND)
_AFTER_SURNAME = "某×xX*＊○〇□" + _TITLES.replace("|", "") + "".join(name[1] for name in _COMPOUND)
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
_HAN = "".join(map(chr, range(0x4E00, 0x9FA6)))


Codes = NDArray[np.uint32]
Places = NDArray[np.int64]


def name_spans(codes: Codes, text: str) -> list[tuple[int, int]]:
    """Start and end of whatever looks like a name; spans may overlap.

    Parameters
    ----------
    codes : ndarray of uint32, shape (n,)
        Code points of the text; what cannot be part of a name may be blotted out in them.
    text : str
    """
    # Two in front and four behind, so that no place near an end needs a test of its own.
    codes = np.concatenate((np.zeros(2, dtype=np.uint32), codes, np.zeros(4, dtype=np.uint32)))
    surname = 2 + np.flatnonzero(char_table(_FIRST)[codes[2:-4]])
    spans, named = _patterned(codes, surname, text)
    return spans + _full_names(codes, surname[~named], text)


def looks_like_name(word: str) -> bool:
    """Whether a word by itself could be a person's full name; used to keep such words out of vocabularies.

    >>> looks_like_name("王秀兰"), looks_like_name("高速路"), looks_like_name("漏水")
    (True, False, False)
    """
    if not 2 <= len(word) <= 4 or (word[0] not in _SURNAMES and word[:2] not in _COMPOUND):
        return False
    codes, known = np.append(encode(word), np.zeros(3, dtype=np.uint32)), _dictionary()
    first, rest, length = np.array([0]), np.array([1]), len(word)
    if length < 4 and known.is_name(codes, first, length)[0]:
        return True
    return bool(
        length <= 3
        and not known.is_word(codes, first, length)[0]
        and not known.is_word(codes, rest, 2)[0]
        and known.given[codes[1:length]].all()
    )


def _patterned(codes: Codes, surname: Places, text: str) -> tuple[list[tuple[int, int]], NDArray[np.bool_]]:
    """Spans of names by pattern, and at which of the surnames they are."""
    known, named = _dictionary(), np.zeros(len(surname), dtype=np.bool_)
    spans: list[tuple[int, int]] = []
    for pattern, ahead, wanted in (
        (_NAME_AT, 0, char_table(_AFTER_SURNAME)[codes[surname + 1]]),
        (_FAMILIAR_AT, 1, char_table("老小阿大")[codes[surname - 1]]),
    ):
        at = np.flatnonzero(wanted & ~named)
        at = at[~known.is_word(codes, surname[at] - ahead, 3)]
        found = [pattern.match(text, place) for place in (surname[at] - 2 - ahead).tolist()]
        at = at[[match is not None for match in found]]
        ends = np.array([match.end() for match in found if match], dtype=np.int64) + 2
        start = surname[at] - ahead
        # Two characters may also overlap a word: 高总 in 提高总体.
        short = np.flatnonzero(ends - start == 2)
        overlaps = np.zeros(len(at), dtype=np.bool_)
        for shift in (-1, 0, 1):
            overlaps[short] |= known.is_word(codes, start[short] + shift, 2)
        named[at[~overlaps]] = True
        spans += zip((start[~overlaps] - 2).tolist(), (ends[~overlaps] - 2).tolist(), strict=True)
    return spans, named


def _full_names(codes: Codes, surname: Places, text: str) -> list[tuple[int, int]]:
    """Spans of a surname and a given name of two characters or of one, where neither they nor what stands around them is rather a word."""
    known = _dictionary()
    given, open_left, closed = known.given, known.open_left, known.closed
    titles = char_table(_TITLES.replace("|", ""))
    third = codes[surname + 3]
    at = surname[given[codes[surname + 1]] & open_left[codes[surname - 1]] & (closed[codes[surname + 2]] | closed[third] | titles[third])]
    at = at[~(known.is_word(codes, at - 1, 2) | known.is_word(codes, at, 2))]
    if not len(at):
        return []
    introduced = np.isin(_keys(codes, at - 2, 2), known.introductions)
    before_title = np.fromiter(
        (_TITLED_FULL_NAME.match(text, place) is not None for place in (at - 1).tolist()), dtype=np.bool_, count=len(at)
    )
    ends = np.zeros(len(at), dtype=np.int64)
    for length in (3, 2):
        last = at + length - 1
        is_word = known.is_word(codes, at, length)
        overlaps = known.is_word(codes, last, 2) | (known.is_word(codes, at + 1, 2) if length == 3 else False)
        fits = given[codes[last]] & (closed[codes[last + 1]] | before_title)
        # After 村民 or 房东 a name is expected, so that a given name may be a word of its own.
        fits &= known.is_name(codes, at, length) | ~is_word & (introduced | ~overlaps)
        ends[fits & (ends == 0)] = length
    hit = ends > 0
    start = at[hit] - 2
    return list(zip(start.tolist(), (start + ends[hit]).tolist(), strict=True))


class _Dictionary:
    """What jieba's dictionary says of spans of two or three characters: which are words, which are names; and the characters of given names."""

    def __init__(self) -> None:
        codes = encode(files("jieba").joinpath("dict.txt").read_text(encoding="utf-8"))
        ends = np.flatnonzero(codes == ord("\n"))
        # A line is a word, its frequency and its part of speech.
        first, second = np.flatnonzero(codes == ord(" ")).reshape(-1, 2).T
        start = np.append(0, ends[:-1] + 1)
        size, tag, tag_size = first - start, codes[second + 1], ends - second - 1
        tag_next = codes[np.minimum(second + 2, ends)]
        person = (tag == ord("n")) & (tag_next == ord("r"))
        keys = _keys(codes, start, 2) | np.where(size == 3, codes[start + 2], 0).astype(np.uint64)
        short = (size == 2) | (size == 3)
        no_names = _keys_of(_NO_NAMES)
        is_name = short & person & (tag_size == 2) & char_table(_SURNAMES)[codes[start]] & ~np.isin(keys, no_names)
        self._names = HashIndex(np.unique(keys[is_name]))
        self._words = HashIndex(np.unique(np.append(keys[short & ~person & (tag != ord("x"))], no_names)))
        self.given = np.zeros(0x110000, dtype=np.bool_)
        self.given[codes[start[is_name] + 1]] = self.given[codes[start[is_name & (size == 3)] + 2]] = True
        self.given &= ~char_table(_NOT_GIVEN)
        self.introductions = _keys_of(_INTRODUCTIONS)
        # What may stand in front of a full name, and behind it.
        self.open_left, self.closed = (~char_table(_HAN) | char_table(chars) for chars in (_BEFORE, _AFTER))

    def is_word(self, codes: Codes, start: Places, length: int) -> NDArray[np.bool_]:
        return self._words.find(_keys(codes, start, length)) >= 0

    def is_name(self, codes: Codes, start: Places, length: int) -> NDArray[np.bool_]:
        return self._names.find(_keys(codes, start, length)) >= 0


@cache
def _dictionary() -> _Dictionary:
    return _Dictionary()


def _keys(codes: Codes, start: Places, length: int) -> NDArray[np.uint64]:
    """Spans of two or three characters as numbers, 21 bits a character."""
    wide = [codes[start + n].astype(np.uint64) << np.uint64(42 - 21 * n) for n in range(length)]
    return np.asarray(sum(wide[1:], wide[0]))


def _keys_of(words: Iterable[str]) -> NDArray[np.uint64]:
    """The same of words of two characters."""
    return _keys(encode("".join(words)), 2 * np.arange(len(list(words))), 2)
