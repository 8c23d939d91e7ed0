"""Tokens: jieba's own, whatever the engine."""

import pandas as pd
import pytest

import disputenlp as dn
from disputenlp.taxonomy import resource_text
from disputenlp.tokenizer import JiebaTokenizer


def test_both_engines_give_the_same_tokens(notes: pd.DataFrame) -> None:
    fast, reference = JiebaTokenizer("rjieba"), JiebaTokenizer("jieba")
    differing = [text for text in notes["text"] if fast.tokenize(text) != reference.tokenize(text)]
    assert not differing, differing[:3]


def test_the_domain_dictionary_keeps_its_terms_whole() -> None:
    terms = [line.split()[0] for line in resource_text("dictionary.txt").splitlines() if line and not line.startswith("#")]
    assert len(terms) >= 800
    assert {"宅基地", "相邻权", "彩礼", "冷暴力", "预付卡", "维修基金", "扬言", "拉横幅", "电瓶车"} <= set(terms)
    assert JiebaTokenizer().tokenize("预付卡不退")[0] == "预付卡"


def test_a_dictionary_of_ones_own(tmp_path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("翻脸账 100 n\n", encoding="utf-8")
    assert "翻脸账" in JiebaTokenizer(user_dict=path).tokenize("一本翻脸账")
    assert "翻脸账" not in JiebaTokenizer().tokenize("一本翻脸账")
    with pytest.raises(ValueError, match="line 1"):
        JiebaTokenizer(user_dict=["坏 行 行 行"])


def test_numbers_letters_and_masks_are_tokens_by_our_own_rule() -> None:
    assert dn.tokenize("拨打12345，欠3万元，APP坏了") == ["拨打", "12345", "欠", "<数>", "万元", "app", "坏", "了"]


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ValueError, match="pkuseg"):
        JiebaTokenizer("pkuseg")  # type: ignore[arg-type]
