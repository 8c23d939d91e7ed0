"""Cues, their scope, and what must never count."""

import pytest

from disputenlp.cleaning import clean_batch, encode
from disputenlp.cues import CueLexicon, neutralize
from disputenlp.hashing import HashIndex, Matcher, SpanHashes

TABLES = {
    "violence": {"hit": {"label": "殴打", "scoped": True, "terms": ["动手", "打了一拳", "殴打"]}},
    "scope": {
        "denied": {"terms": ["没有", "未"]},
        "taught": {"terms": ["宣传"]},
        "hypothetical": {"terms": ["要是"]},
        "past": {"terms": ["去年"]},
        "intent": {"terms": ["扬言"]},
    },
}


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("双方没有动手", "denied"),
        ("未动手", "denied"),
        ("没有发生殴打", "denied"),
        ("宣传反家暴,殴打妻子违法", "taught"),
        ("要是再吵就动手", "hypothetical"),
        ("去年打了一拳", "past"),
        ("扬言要动手", "intended"),
        ("对方打了一拳", "asserted"),
        ("没有证据。对方动手", "asserted"),
    ],
)
def test_a_hit_carries_its_scope(text: str, scope: str) -> None:
    ((_, group, found),) = CueLexicon(TABLES).find([text])[0]
    assert (group, found) == ("violence.hit", scope)


def test_the_lexicon_that_comes_with_the_library_is_sound() -> None:
    lexicon = CueLexicon()
    terms = [term for group in lexicon.groups for term in group.terms]
    assert len(lexicon.groups) >= 120
    assert len(terms) >= 3000
    assert len(set(terms)) == len(terms)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("回族男子打人", "汉族女子打人"),
        ("他精神病史，拿刀", "她，拿刀"),
        ("欠3万5千元", "欠200元"),
        ("3月5日来过", "12月28日来过"),
        ("丈夫打人", "老婆打人"),
        ("刑满释放人员闹事", "低保户闹事"),
    ],
)
def test_who_somebody_is_and_how_large_a_number_is_never_counts(one: str, other: str) -> None:
    first, second = neutralize(clean_batch([one])).texts(), neutralize(clean_batch([other])).texts()
    assert first == second


def test_service_numbers_stay() -> None:
    assert "12345" in neutralize(clean_batch(["打12345投诉"])).texts()[0]


def test_spans_are_found_by_their_hashes() -> None:
    codes = encode("漏水又漏水噪音")
    hashes = SpanHashes(codes)
    import numpy as np

    found = HashIndex(hashes.of(np.array([0, 5]), 2)).find(hashes.of(np.array([3, 5, 1]), 2))
    assert found.tolist() == [0, 1, -1]
    assert Matcher([["漏水"], ["噪音", "水"]]).match(codes)[2].tolist() == [0, 1, 0, 1, 1]
