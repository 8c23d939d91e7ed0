"""The vectorizer: one CSR row a note."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from disputenlp.features import NoteVectorizer


def test_a_row_depends_on_its_note_alone(few: pd.DataFrame) -> None:
    texts = few["text"].tolist()
    vectorizer = NoteVectorizer().fit(texts)
    whole = vectorizer.transform(texts)
    parts = [vectorizer.transform(texts[i : i + 7]) for i in range(0, len(texts), 7)]
    assert sum(part.nnz for part in parts) == whole.nnz
    assert np.array_equal(whole.data, np.concatenate([part.data for part in parts]))


def test_one_very_long_note_does_not_change_the_others(few: pd.DataFrame) -> None:
    texts = few["text"].tolist()[:20]
    vectorizer = NoteVectorizer(min_df=1).fit(texts)
    alone, beside = vectorizer.transform(texts), vectorizer.transform([*texts, "".join(texts) * 20])
    assert (alone != beside[:20]).nnz == 0


def test_blocks_have_unit_length_times_their_weight() -> None:
    vectorizer = NoteVectorizer(min_df=1, word_weight=0.5, char_weight=2.0)
    X = vectorizer.fit_transform(["楼上漏水，两家吵了一架", "欠条写好了，年底还钱"])
    words, chars = vectorizer.block_starts_[2], vectorizer.block_starts_[3]
    assert np.allclose(np.sqrt(X[:, :words].power(2).sum(axis=1)), 0.5)
    assert np.allclose(np.sqrt(X[:, words:chars].power(2).sum(axis=1)), 2.0)


def test_state_makes_the_same_vectorizer_again(few: pd.DataFrame) -> None:
    vectorizer = NoteVectorizer().fit(few["text"])
    again = NoteVectorizer.from_state(*vectorizer.state())
    assert (again.transform(few["text"]) != vectorizer.transform(few["text"])).nnz == 0
    assert len(again.get_feature_names_out()) == len(vectorizer.idf_)


def test_it_works_in_a_pipeline_and_clones() -> None:
    model = make_pipeline(NoteVectorizer(min_df=1), LinearSVC()).fit(["楼上漏水", "拖欠工资"], [0, 1])
    assert clone(model).fit(["楼上漏水", "拖欠工资"], [0, 1]).predict(["工资不给"]).tolist() == [1]


@pytest.mark.parametrize(
    ("params", "message"),
    [({"char_ngrams": (3, 2)}, "char_ngrams"), ({"word_ngrams": 3}, "word_ngrams"), ({"n_buckets": 1000}, "n_buckets")],
)
def test_a_bad_parameter_is_named(params: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoteVectorizer(**params).fit(["漏水"])


def test_a_single_text_is_not_taken_for_a_list() -> None:
    with pytest.raises(ValueError, match="single text"):
        NoteVectorizer().fit("漏水")
