"""Cleaning and its map back to the original."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import disputenlp as dn
from disputenlp.cleaning import as_text, clean_batch

DIRTY = st.text(
    alphabet=st.sampled_from("漏水情況國张三３Ａ１２，。！!?（）()abcāùé &;<>/bnsp\u200b\ufeff\u3000\n\t 纠纷\ue001\x1e\x00😀"), max_size=60
)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("经验(jīngyàn)丰富", "经验丰富"),
        ("情況(kuàng)", "情况"),
        ("不(bù)", "不"),
        ("加我(微信wx123)", "加我(微信wx123)"),
        ("住(A栋)", "住(A栋)"),
        ("３号楼ＡＢ", "3号楼AB"),
        ("吵架<br/>了&nbsp;！！！", "吵架\n了 !"),
        ("A&B公司", "A&B公司"),
        ("漏\u200b水\ufeff", "漏水"),
        ("乾隆著名", "乾隆著名"),
    ],
)
def test_dirt_goes_and_the_rest_stays(dirty: str, clean: str) -> None:
    assert dn.clean(dirty) == clean


@given(DIRTY)
@settings(max_examples=300, deadline=None)
def test_cleaning_a_second_time_changes_no_han_character(text: str) -> None:
    once = dn.clean(text)
    assert re.findall(r"[\u4e00-\u9fff]", dn.clean(once)) == re.findall(r"[\u4e00-\u9fff]", once)


@given(st.lists(DIRTY, max_size=6))
@settings(max_examples=200, deadline=None)
def test_every_character_points_to_where_it_came_from(texts: list[str]) -> None:
    batch = clean_batch(texts)
    assert len(batch) == len(texts)
    for number, (text, cleaned) in enumerate(zip(texts, batch.texts(), strict=True)):
        origin = batch.origin[batch.starts[number] : batch.starts[number + 1] - 1].tolist()
        assert origin == sorted(origin)
        for char, offset in zip(cleaned, origin, strict=True):
            if "a" <= char <= "z" or char.isdigit():
                assert unicodedata.normalize("NFKC", text[offset]) == char or text[offset] == "&"


@given(st.lists(DIRTY, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_note_is_cleaned_by_itself(texts: list[str]) -> None:
    assert clean_batch(texts).texts() == [dn.clean(text) for text in texts]


def test_the_real_page_loses_its_pinyin_and_nothing_else(shared) -> None:
    page = shared("seed-article.txt").read_text(encoding="utf-8")
    cleaned = dn.clean(page)
    assert len(re.findall(r"\([^()]*[āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ][^()]*\)", page)) > 90
    assert not re.findall(r"\([a-zāáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüA-Z ]+\)", cleaned)
    han = re.findall(r"[\u4e00-\u9fff]", page)
    assert len(re.findall(r"[\u4e00-\u9fff]", cleaned)) == len(han)
    (entry,) = dn.split_entries(page)
    assert 1.7 < len(page) / len(entry.text) < 2.3


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, None), (float("nan"), None), (12, "12"), (True, None), ("楼上漏水".encode("gb18030"), "楼上漏水"), ([1], None)],
)
def test_cells_become_text_or_none(cell: object, text: str | None) -> None:
    assert as_text(cell) == text
