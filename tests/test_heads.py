"""The heads: calibrated, thresholded, and estimators as scikit-learn knows them."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils.estimator_checks import parametrize_with_checks

from disputenlp.heads import LabelHead, OrdinalHead

_BOTH = {
    "check_sample_weight_equivalence_on_dense_data": "calibration is on folds over rows, so a row of weight two is not two rows",
    "check_sample_weight_equivalence_on_sparse_data": "calibration is on folds over rows, so a row of weight two is not two rows",
    "check_class_weight_classifiers": "class_weight is a power of the balanced weights, not a table",
}
#: Checks that do not apply, and why.
NOT_APPLICABLE = {
    "LabelHead": _BOTH,
    "OrdinalHead": _BOTH | {"check_classifiers_train": "a level is given by thresholds on cumulative probabilities, not by the likeliest"},
}


def rows(n: int = 300, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12))
    score = X[:, 0] + 0.5 * rng.normal(size=n)
    return sp.csr_matrix(X), np.digitize(score, [-0.8, 0.2, 1.0])


@parametrize_with_checks(
    [LabelHead(n_folds=3), OrdinalHead(n_folds=3)], expected_failed_checks=lambda head: NOT_APPLICABLE[type(head).__name__]
)
def test_scikit_learns_own_checks(estimator, check) -> None:
    check(estimator)


def test_levels_are_monotone_and_sum_to_one() -> None:
    X, y = rows()
    head = OrdinalHead().fit(X, y)
    found = head.predict_proba(X)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found >= -1e-12).all()
    assert np.mean(head.predict(X) == y) > 0.6


def test_the_miss_rate_holds_on_new_rows() -> None:
    X, y = rows(1500)
    head = OrdinalHead(miss_rate=0.1).fit(X, y)
    fresh, truth = rows(1500, seed=1)
    assert np.mean(head.predict(fresh)[truth == 3] == 3) > 0.85


def test_probabilities_are_calibrated() -> None:
    X, y = rows(2000)
    head = LabelHead().fit(X, (y >= 2).astype(int))
    fresh, truth = rows(2000, seed=2)
    p = head.predict_proba(fresh)[:, 1]
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (p >= low) & (p < low + 0.25)
        assert abs(p[inside].mean() - (truth[inside] >= 2).mean()) < 0.1


def test_several_labels_with_and_without_an_empty_row() -> None:
    X, y = rows()
    Y = np.stack([y >= 1, y >= 2, y == 0], axis=1).astype(int)
    assert LabelHead().fit(X, Y).predict(X).any(axis=1).all()
    Y[:30] = 0
    assert LabelHead().fit(X, Y).at_least_one_ is False


def test_an_exclusive_label_stands_alone() -> None:
    X, y = rows()
    Y = np.stack([y >= 1, y >= 2, y == 0], axis=1).astype(int)
    found = LabelHead(exclusive=2).fit(X, Y).predict(X)
    assert (found[found[:, 2] == 1].sum(axis=1) == 1).all()


def test_a_single_class_and_bad_parameters_are_named() -> None:
    X, y = rows(40)
    with pytest.raises(ValueError, match="one class"):
        LabelHead().fit(X, np.zeros(40))
    with pytest.raises(ValueError, match="C is"):
        LabelHead(C=-1.0).fit(X, y)
    with pytest.raises(ValueError, match="miss_rate"):
        OrdinalHead(miss_rate=2.0).fit(X, y)
