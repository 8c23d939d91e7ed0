"""Vectors of features: what they are, that they fold away, and that few labelled notes gain by them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import disputenlp as dn
from disputenlp.heads import LabelHead
from disputenlp.latent import Latent, LatentBlock, latent_vectors
from disputenlp.names import looks_like_name
from disputenlp.word_vectors import WordVectors, bundled_word_vectors

NOTES = ["楼上漏水泡了天花板", "楼道堆物挡了通行", "老板拖欠三个月工资", "工地欠薪一直不给"] * 6
LABELS = ["邻里", "邻里", "欠薪", "欠薪"] * 6


def some_features(seed: int = 0) -> sp.csr_matrix:
    return sp.random(60, 200, density=0.1, format="csr", dtype=np.float32, random_state=seed)


def test_vectors_have_unit_length_and_no_more_dimensions_than_the_notes_bear() -> None:
    X = some_features()
    vectors = latent_vectors(X, 64)
    seen = np.bincount(X.indices, minlength=200) > 0
    assert vectors.shape == (200, 15)
    assert np.allclose(np.linalg.norm(vectors[seen], axis=1), 1, atol=1e-3)
    assert latent_vectors(X[:3], 64).shape == (200, 0)


def test_folding_leaves_every_decision_value_as_it_was() -> None:
    X, rng = some_features(), np.random.default_rng(0)
    block = LatentBlock(latent_vectors(X, 8), X)
    joined = block.join(0.5)
    assert np.isclose(np.sqrt(np.square(joined[:, 200:].toarray()).sum(axis=1).mean()), 0.5)
    coef, intercept = rng.normal(size=(3, 208)), rng.normal(size=3)
    folded, shifted = block.fold(coef, intercept, 0.5)
    assert folded.shape == (3, 200)
    assert np.allclose(X @ folded.T + shifted, joined @ coef.T + intercept, atol=1e-5)


def test_a_head_with_vectors_knows_a_feature_that_no_training_row_has() -> None:
    X = np.zeros((40, 4), dtype=np.float32)
    X[:20, 0] = X[20:, 1] = 1
    y = np.repeat([0, 1], 20)
    # Features 2 and 3 never occur, but are kin of 0 and 1.
    kin = Latent(np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32), (1.0,))
    new = sp.csr_matrix(np.eye(4, dtype=np.float32)[2:])
    plain, knowing = LabelHead().fit(sp.csr_matrix(X), y), LabelHead().fit(sp.csr_matrix(X), y, latent=kin)
    assert plain.predict(new).tolist() == [plain.predict(new)[0]] * 2
    assert knowing.predict(new).tolist() == [0, 1]


def test_a_tagger_understands_words_that_its_notes_do_not_have() -> None:
    new = ["天花板渗水发霉", "包工头卷款跑了，民工讨薪"]
    assert dn.DisputeTagger().fit(NOTES, categories=LABELS).predict(new).tolist() == ["邻里", "欠薪"]


def test_without_vectors_only_the_words_of_the_notes_have_a_column() -> None:
    knowing = dn.DisputeTagger().fit(NOTES, categories=LABELS)
    plain = dn.DisputeTagger(word_vectors=None).fit(NOTES, categories=LABELS)
    assert set(plain.vectorizer_.vocabulary_) < set(knowing.vectorizer_.vocabulary_)
    assert "讨薪" in knowing.vectorizer_.vocabulary_
    assert knowing.describe()["latent_weight"].iloc[0] > 0
    assert dn.DisputeTagger(n_latent=0).fit(NOTES, categories=LABELS).describe()["latent_weight"].iloc[0] == 0


def test_a_tagger_with_vectors_is_the_same_after_saving(tmp_path: Path) -> None:
    tagger = dn.DisputeTagger().fit(NOTES, categories=LABELS)
    tagger.save(tmp_path / "own.dnm")
    new = ["天花板渗水发霉", "包工头卷款跑了，民工讨薪"]
    assert dn.load(tmp_path / "own.dnm").predict_proba(new).equals(tagger.predict_proba(new))
    assert dn.load(tmp_path / "own.dnm").explain(new[1]).spans


def test_own_vectors_can_be_given() -> None:
    own = WordVectors(["讨薪", "工资", "渗水", "漏水"], np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32))
    tagger = dn.DisputeTagger(word_vectors=own).fit(NOTES, categories=LABELS)
    assert tagger.predict(["讨薪", "渗水"]).tolist() == ["欠薪", "邻里"]
    with pytest.raises(ValueError, match="word_vectors"):
        dn.DisputeTagger(word_vectors="mine").fit(NOTES, categories=LABELS)


def test_the_bundled_vectors_are_of_words_and_not_of_names() -> None:
    known = bundled_word_vectors()
    assert len(known.words) == len(set(known.words)) == len(known.vectors) > 20_000
    assert not [word for word in known.words if looks_like_name(word)]
    assert np.allclose(np.linalg.norm(known.vectors, axis=1), 1, atol=0.1)
    near = known.vectors @ known.vectors[known.words.index("讨薪")]
    assert near[known.words.index("欠薪")] > 2 * near[known.words.index("漏水")]


def test_too_few_notes_are_no_teacher() -> None:
    with pytest.raises(ValueError, match="give more notes"):
        dn.learn_word_vectors(NOTES)


def test_a_loaded_tagger_is_fitted_again_with_the_vectors_that_were_asked_for(tmp_path: Path) -> None:
    for asked in ("auto", None):
        dn.DisputeTagger(word_vectors=asked).fit(NOTES, categories=LABELS).save(tmp_path / "own.dnm")
        assert dn.load(tmp_path / "own.dnm").word_vectors == asked
