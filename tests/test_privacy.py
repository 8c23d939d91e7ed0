"""Masking: what points to a person is gone before features are made."""

import pytest

import disputenlp as dn
from disputenlp.cleaning import HOTLINES
from disputenlp.names import looks_like_name
from disputenlp.privacy import id_number_is_valid


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13800001234联系", "电话[电话]联系"),
        ("电话１３８-0000-1234。", "电话[电话]。"),
        ("身份证11010519491231002X", "身份证[证件号]"),
        ("车牌京A12345剐蹭", "车牌[车牌]剐蹭"),
        ("卡号6222021234567890123", "卡号[银行卡]"),
        ("邮箱zhang.san@example.com。", "邮箱[邮箱]。"),
        ("微信号wxid_abc123", "微信号[账号]"),
        ("住3栋502室", "住[地址]"),
        ("张某某与王××吵架", "[姓名]与[姓名]吵架"),
        ("李大姐说，老孙头不认", "[姓名]说，[姓名]不认"),
        ("村民王秀兰反映", "村民[姓名]反映"),
    ],
)
def test_each_kind_is_masked(text: str, masked: str) -> None:
    assert dn.mask(text) == masked


@pytest.mark.parametrize("text", ["已告知可拨打12345", "欠款3000元", "高速路口堵车", "2024年3月5日", "温馨提示", "方便群众"])
def test_what_is_no_name_and_no_number_of_a_person_stays(text: str) -> None:
    assert dn.mask(text) == text


def test_the_check_digit_of_an_id_number() -> None:
    assert id_number_is_valid("11010519491231002X")
    assert not id_number_is_valid("110105194912310021")


def test_no_name_or_number_is_in_the_vocabulary(tagger: dn.DisputeTagger) -> None:
    for word in tagger.vectorizer_.vocabulary_:
        assert not looks_like_name(word), word
        assert word in HOTLINES or not any(char.isdigit() for char in word.strip("<>")) or word.startswith("<"), word


def test_names_do_not_change_the_tags(tagger: dn.DisputeTagger) -> None:
    tags = tagger.tag(
        [f"{name}说楼上漏水，找了三次都不管，今天吵起来了" for name in ("王秀兰", "张某某", "李大姐", "老孙头")], evidence=False
    )
    assert len(tags.drop(columns="categories").drop_duplicates()) == 1


def test_a_sign_that_is_no_address_does_not_cut_off_the_next_one() -> None:
    for padding in range(185, 195):
        assert "[邮箱]，" in dn.mask("@所有人" + "甲乙" * padding + "，bob@example.com.cn，谢谢")
