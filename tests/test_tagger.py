"""The tagger: every row comes back, in order, whatever is in it."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict

import disputenlp as dn
from disputenlp.taxonomy import labels

COLUMNS = ["category", "categories", "category_p", "risk", "risk_p", "high_risk_p", "status", "needs_review", "evidence"]
BAD = [None, float("nan"), "", "   \n", "打", "😀😀😀", "Water is leaking from upstairs, they quarrelled.", "\ud800", 3.5, 12345, object()]


def test_the_columns_of_the_design(tagger: dn.DisputeTagger) -> None:
    tags = tagger.tag(["楼上漏水把我家天花板泡坏了，找他几次都不认账"])
    assert list(tags.columns) == COLUMNS
    assert tags.loc[0, "category"] == "邻里相邻"
    assert tags["risk"].cat.ordered
    assert tags["risk"].cat.categories.tolist() == ["无", "低", "中", "高"]
    assert tagger.tag(["楼上漏水把我家天花板泡坏了"], labels="id").loc[0, "category"] == "neighbour"
    assert "evidence" not in tagger.tag(["楼上漏水"], evidence=False)


@pytest.mark.parametrize("bad", BAD, ids=lambda value: repr(value)[:20])
def test_an_unusable_cell_is_no_dispute_and_goes_to_review(tagger: dn.DisputeTagger, bad: object) -> None:
    tags = tagger.tag(["漏水吵架了好几回", bad, "村里宣传反诈，发了传单"], labels="id")
    assert len(tags) == 3
    assert tags.loc[1, "needs_review"]
    if bad != "打":
        assert tags.loc[1, ["category", "risk", "status"]].tolist() == ["none", "none", "none"]


def test_a_huge_note_and_bytes_are_tagged(tagger: dn.DisputeTagger) -> None:
    tags = tagger.tag(["丈夫喝酒后打了妻子一顿。" * 20_000, "欠工资三个月，工人来要".encode("gb18030")], labels="id")
    assert tags["needs_review"].tolist()[0]
    assert tags.loc[1, "category"] == "labour"


def test_pieces_put_together_are_the_whole(tagger: dn.DisputeTagger, few: pd.DataFrame) -> None:
    texts = few["text"].tolist()
    whole = tagger.tag(texts)
    cuts = [0, 1, 3, 50, 51, 200, len(texts)]
    parts = pd.concat([tagger.tag(texts[a:b]) for a, b in pairwise(cuts)], ignore_index=True)
    pd.testing.assert_frame_equal(whole, parts)


def test_the_input_keeps_its_index_and_is_not_changed(tagger: dn.DisputeTagger) -> None:
    frame = pd.DataFrame({"编号": [7, 8], "走访内容": ["楼上漏水找了几次都不修", "老板拖欠工资三个月"]}, index=["a", "b"])
    before = frame.copy()
    tags = tagger.tag(frame)
    assert tags.index.tolist() == ["a", "b"]
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(tags, tagger.tag(frame["走访内容"]))
    assert tagger.tag([]).empty
    assert list(tagger.tag([]).columns) == COLUMNS


def test_two_columns_that_fit_are_both_named(tagger: dn.DisputeTagger) -> None:
    frame = pd.DataFrame({"内容": ["楼上漏水找了几次都不修，吵起来"], "备注": ["老板拖欠工资三个月，工人来村里说"]})
    with pytest.raises(ValueError, match=r"内容.*备注.*text="):
        tagger.tag(frame)
    with pytest.raises(ValueError, match="正文"):
        tagger.tag(frame, text="正文")
    with pytest.raises(ValueError, match="single text"):
        tagger.tag("漏水")


def test_categories_and_risk_never_contradict_each_other(tagger: dn.DisputeTagger, notes: pd.DataFrame) -> None:
    tags = tagger.tag(notes["text"], labels="id", evidence=False)
    none = tags["category"] == "none"
    assert (none == (tags["risk"] == "none")).all()
    assert (none == (tags["status"] == "none")).all()
    assert all(row == ["none"] for row in tags.loc[none, "categories"])
    for column in ("category_p", "risk_p", "high_risk_p"):
        assert tags[column].between(0, 1).all()
    assert set(tags["category"]) <= {label.id for label in labels("categories")}


def test_evidence_and_spans_are_parts_of_the_original(tagger: dn.DisputeTagger, few: pd.DataFrame) -> None:
    texts = ["３栋王秀兰反映：楼上漏水(lòushuǐ)泡了天花板，吵起來了！！！", *few["text"]]
    for text, spans in zip(texts, tagger.tag(texts)["evidence"], strict=True):
        assert len(spans) <= 5
        assert all(span in text for span in spans)
    found = tagger.explain(texts[0])
    assert found.spans
    assert all(0 <= span.start < span.end <= len(texts[0]) for span in found.spans)
    assert "漏水" in "".join(texts[0][span.start : span.end] for span in found.spans)
    assert "<mark" in found._repr_html_()
    assert tagger.explain(None).reasons == ["空白或没有汉字"]


def test_saving_and_loading_changes_nothing(small: dn.DisputeTagger, few: pd.DataFrame, tmp_path) -> None:
    small.save(tmp_path / "a.dnm")
    small.save(tmp_path / "b.dnm")
    assert (tmp_path / "a.dnm").read_bytes() == (tmp_path / "b.dnm").read_bytes()
    again = dn.load(tmp_path / "a.dnm")
    pd.testing.assert_frame_equal(again.tag(few["text"]), small.tag(few["text"]))
    again.save(tmp_path / "c.dnm")
    assert dn.load(tmp_path / "c.dnm").describe().equals(small.describe())
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(small)).tag(few["text"]), small.tag(few["text"]))


def test_the_same_corpus_gives_the_same_predictions(few: pd.DataFrame, small: dn.DisputeTagger) -> None:
    again = clone(small).fit(few["text"], few["categories"], few["risk"], few["status"], groups=few["voice"])
    pd.testing.assert_frame_equal(again.tag(few["text"]), small.tag(few["text"]))


def test_the_bundled_model_is_the_one_that_the_corpus_gives(tagger: dn.DisputeTagger, notes: pd.DataFrame) -> None:
    head = tagger.heads_.heads["categories"]
    fresh = dn.DisputeTagger(C=head.C_, n_jobs=2).fit(notes["text"], notes["categories"], groups=notes["voice"])
    assert list(fresh.vectorizer_.vocabulary_) == list(tagger.vectorizer_.vocabulary_)
    assert np.mean(np.array(fresh.predict(notes["text"])) == np.array(tagger.predict(notes["text"]))) > 0.999


TEXTS = ["楼上漏水泡了天花板", "楼上半夜拖椅子太吵", "老板拖欠三个月工资", "工地欠薪一直不给", "天气晴朗走访三户", "登记信息发放传单"] * 6


def test_label_sets_of_ones_own() -> None:
    single = ["邻里", "邻里", "欠薪", "欠薪", "无事", "无事"] * 6
    tagger = dn.DisputeTagger().fit(TEXTS, single)
    assert tagger.predict(["厂里拖欠工资"]).tolist() == ["欠薪"]
    assert list(tagger.tag(["厂里拖欠工资"]).columns) == ["category", "categories", "category_p", "needs_review", "evidence"]
    many = [["a"], ["a", "b"], ["c"], ["c"], [], []] * 6
    tagger = dn.DisputeTagger().fit(TEXTS, many)
    assert tagger.predict_categories(["天气晴朗走访三户"]) == [[]]
    assert tagger.describe().attrs["at least one label"] is False
    table = pd.DataFrame({"x": [1, 1, 0, 0, 0, 0] * 6, "y": [0, 0, 1, 1, 0, 0] * 6})
    assert dn.DisputeTagger().fit(TEXTS, table).predict(["厂里拖欠工资"]).tolist() == [[0, 1]]
    assert dn.DisputeTagger().fit(TEXTS, single).predict_proba(["厂里拖欠工资"]).columns.tolist() == ["无事", "欠薪", "邻里"]


def test_scikit_learns_tools_work_with_it() -> None:
    y = np.array(["邻里", "邻里", "欠薪", "欠薪", "无事", "无事"] * 6)
    search = GridSearchCV(dn.DisputeTagger(dn.NoteVectorizer(), C=1.0), {"vectorizer__char_ngrams": [(1, 2), None]}, cv=3).fit(TEXTS, y)
    assert search.best_score_ == 1.0
    assert (cross_val_predict(dn.DisputeTagger(C=1.0), TEXTS, y, cv=3) == y).all()
    weighted = dn.DisputeTagger(C=1.0).fit(TEXTS, y, sample_weight=np.where(y == "无事", 0.01, 1.0))
    assert weighted.score(TEXTS, y) > 0.6


def test_wrong_labels_are_named(few: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="risk has 3 rows"):
        dn.DisputeTagger().fit(few["text"], few["categories"], risk=["low"] * 3)
    with pytest.raises(ValueError, match="risk has no value in row 1"):
        dn.DisputeTagger(C=1.0).fit(TEXTS, ["a", "b"] * 18, risk=["low", None, *["high"] * 34])
    with pytest.raises(ValueError, match="base"):
        dn.DisputeTagger().fit(TEXTS, ["a", "b"] * 18, base="other")


def test_the_shipped_corpus_can_be_added(few: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="status"):
        dn.DisputeTagger().fit(["漏水"], ["neighbour"], ["low"], base="bundled")
