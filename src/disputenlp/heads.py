"""Heads: features to calibrated probabilities and decisions.

:class:`LabelHead` decides between labels (one of them, or any number), :class:`OrdinalHead` between ordered levels. Both are a
:class:`~disputenlp.linear.LinearStack`, and set their thresholds on its out-of-fold values: for labels by what maximizes F1, for the highest level by a
bound on the share that is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from disputenlp.calibration import Floats, f1_threshold, kappa
from disputenlp.latent import Latent
from disputenlp.linear import LinearStack

__all__ = ["COST_OF_A_MISS", "LabelHead", "OrdinalHead"]

#: A missed note of the highest risk costs as much as this many false alarms.
COST_OF_A_MISS = 10.0


class LabelHead(LinearStack):
    """One-vs-rest linear machines for one label a note or any number of labels.

    Parameters
    ----------
    C : float or sequence of float, default=(0.1, 0.3, 1.0, 3.0)
        Inverse strength of regularization; of several, the one with the smallest out-of-fold log loss is taken.
    class_weight : "balanced", None or float, default=0.5
        ``"balanced"`` weights each class by the inverse of its frequency, ``None`` not at all; a number is the power to which the
        balanced weights are raised, so that 0.5 stands half-way.
    at_least_one : "auto" or bool, default="auto"
        For several labels, whether a note without any gets the likeliest; ``"auto"``: if every training note has one.
    exclusive : int, default=None
        For several labels, the column that excludes all others (``none``): a note has it alone or not at all.
    n_folds : int, default=5
        Folds for out-of-fold decision values; with fewer than two notes a fold these are left out.
    n_jobs : int, default=None
        Processes for fitting, as everywhere in scikit-learn.
    random_state : int, default=0
        Seed of folds and solver.

    Attributes
    ----------
    classes_ : ndarray
        The labels; column numbers where ``y`` was an indicator matrix.
    coef_ : ndarray of float64, shape (n_outputs, n_features)
    intercept_ : ndarray of float64, shape (n_outputs,)
    calibration_ : ndarray of float64, shape (n_outputs, 2)
        Slope and offset of each output's sigmoid.
    thresholds_ : ndarray of float64, shape (n_outputs,)
        For several labels, the probability from which on a label is given: the cut with the best F1 out of fold, drawn towards 0.4 for labels
        with few notes, where the best cut is a matter of chance.
    out_of_fold_ : ndarray of float64, shape (n_samples, n_outputs), or None
        Decision values of the training notes from machines that did not see them.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.eye(20) + np.repeat([0, 1], 10)[:, None], np.repeat(["家庭", "邻里"], 10)
    >>> LabelHead().fit(X, y).predict(X[[0, 19]])
    array(['家庭', '邻里'], dtype='<U2')
    """

    def __init__(
        self,
        *,
        C: float | Sequence[float] = (0.1, 0.3, 1.0, 3.0),
        class_weight: str | float | None = 0.5,
        at_least_one: str | bool = "auto",
        exclusive: int | None = None,
        n_folds: int = 5,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(C=C, class_weight=class_weight, n_folds=n_folds, n_jobs=n_jobs, random_state=random_state)
        self.at_least_one = at_least_one
        self.exclusive = exclusive

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        latent: Latent | None = None,
    ) -> Self:
        """Fit to features of shape (n_samples, n_features) and labels of shape (n_samples,) or an indicator (n_samples, n_labels).

        Parameters
        ----------
        X : array or CSR matrix
        y : array
        sample_weight : array of float, shape (n_samples,), default=None
        groups : array, shape (n_samples,), default=None
            Notes of one group never stand on both sides of a fold.
        latent : Latent, default=None
            Vectors of the features, see :mod:`disputenlp.latent`.

        Raises
        ------
        ValueError
            If ``y`` holds a single class, or a parameter is out of range.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, multi_output=True)
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        self.multilabel_ = type_of_target(y) == "multilabel-indicator"
        if self.multilabel_:
            self.classes_, targets = np.arange(y.shape[1]), y.astype(bool)
        else:
            if y.ndim > 1:
                raise ValueError("y has several columns, but is no indicator matrix of zeros and ones")
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError(f"y holds one class, {self.classes_[0]!r}; at least two are needed")
            targets = y[:, None] == (self.classes_[1:] if len(self.classes_) == 2 else self.classes_)
        self._fit_outputs(X, targets, weight, groups, y, latent)
        self.at_least_one_ = self.multilabel_ and (
            bool(targets.any(axis=1).all()) if self.at_least_one == "auto" else bool(self.at_least_one)
        )
        self.thresholds_ = np.full(targets.shape[1], 0.5)
        if self.multilabel_ and self.out_of_fold_ is not None:
            found = self.probabilities(self.out_of_fold_)
            self.thresholds_ = np.array([f1_threshold(found[:, k], targets[:, k], weight) for k in range(targets.shape[1])])
        return self

    def class_probabilities(self, values: Floats) -> Floats:
        """Probability of each class, shape (n_samples, n_classes); for single labels the rows sum to one."""
        if not self.multilabel_ and len(self.classes_) > 2:
            return np.asarray(softmax(values * self.calibration_[:, 0] + self.calibration_[:, 1], axis=1))
        found = self.probabilities(values)
        return found if self.multilabel_ else np.hstack((1 - found, found))

    def _calibrate(self, values: Floats, targets: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
        if self.multilabel_ or targets.shape[1] == 1:
            return super()._calibrate(values, targets, weight)

        # One of many labels: a single temperature (Guo et al. 2017) leaves the order of the machines as it is. A sigmoid for each
        # would be learned from the few notes of its label, and reorder them by that noise.
        def loss(slope: float) -> float:
            z = values * slope
            return float(weight @ (logsumexp(z, axis=1) - (z * targets).sum(axis=1)))

        found = minimize_scalar(loss, bounds=(0.05, 20), method="bounded")
        return np.tile([float(found.x), 0.0], (targets.shape[1], 1)), float(found.fun)

    def decide(self, found: Floats) -> NDArray[Any]:
        """Decisions from class probabilities: indices of classes, or an indicator of shape (n_samples, n_labels)."""
        if not self.multilabel_:
            return np.asarray(found.argmax(axis=1))
        chosen = found >= self.thresholds_
        others = np.ones(found.shape[1], dtype=bool)
        if self.exclusive is not None:
            others[self.exclusive] = False
            chosen[chosen[:, self.exclusive]] = ~others
        if self.at_least_one_:
            empty = np.flatnonzero(~chosen.any(axis=1))
            chosen[empty, np.where(others, found[empty], -1.0).argmax(axis=1)] = True
        return chosen

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities, shape (n_samples, n_classes)."""
        return self.class_probabilities(self.decision_values(X))

    def decision_function(self, X: Any) -> Floats:
        """Calibrated decision values (log-odds), shape (n_samples,) for two classes, else (n_samples, n_classes)."""
        values = self.decision_values(X) * self.calibration_[:, 0] + self.calibration_[:, 1]
        return np.asarray(values[:, 0] if not self.multilabel_ and values.shape[1] == 1 else values)

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, shape (n_samples,), or an indicator of int64, shape (n_samples, n_labels)."""
        decided = self.decide(self.predict_proba(X))
        return decided.astype(np.int64) if self.multilabel_ else self.classes_[decided]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class OrdinalHead(LinearStack):
    """Ordered levels by cumulative binary machines: "at least level k" for every k (Frank and Hall 2001).

    Parameters
    ----------
    miss_rate : float, default=None
        Share of notes of the highest level that may be missed. The threshold of that level is then the highest whose out-of-fold miss rate
        R satisfies n/(n+1)·R + 1/(n+1) ≤ ``miss_rate``: by conformal risk control (Angelopoulos et al. 2024) the expected share of
        misses is then at most ``miss_rate`` for notes like the held-out ones. But the threshold is never below 1/11, where the false alarms would
        cost more than the misses: with few notes of that level the bound cannot be kept. ``None``: the threshold is chosen as for the others.
    C, class_weight, n_folds, n_jobs, random_state
        As in :class:`LabelHead`.

    Attributes
    ----------
    classes_ : ndarray
        The levels in their order: sorted, so give numbers.
    coef_, intercept_, calibration_, out_of_fold_
        As in :class:`LabelHead`, with an output for each level but the lowest.
    thresholds_ : ndarray of float64, shape (n_levels - 1,)
        Probability of "at least this level" from which on it is given; chosen for the best quadratic weighted kappa out of fold.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.repeat([0, 1, 2], 10)
    >>> OrdinalHead().fit(np.eye(30) + y[:, None], y).predict(np.full((1, 30), 2.0))
    array([2])
    """

    def __init__(
        self,
        *,
        C: float | Sequence[float] = (0.1, 0.3, 1.0, 3.0),
        class_weight: str | float | None = 0.5,
        miss_rate: float | None = None,
        n_folds: int = 5,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(C=C, class_weight=class_weight, n_folds=n_folds, n_jobs=n_jobs, random_state=random_state)
        self.miss_rate = miss_rate

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        latent: Latent | None = None,
    ) -> Self:
        """Fit to features and levels of shape (n_samples,); see :meth:`LabelHead.fit`."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        self.classes_, level = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_[0]!r}; at least two are needed")
        if self.miss_rate is not None and not 0 < self.miss_rate < 1:
            raise ValueError(f"miss_rate is {self.miss_rate!r}, but must be None or between 0 and 1")
        targets = level[:, None] >= np.arange(1, len(self.classes_))
        self._fit_outputs(X, targets, weight, groups, y, latent)
        self.thresholds_ = np.full(targets.shape[1], 0.5)
        if self.out_of_fold_ is not None:
            self._set_thresholds(self.cumulative(self.out_of_fold_), level)
        return self

    def cumulative(self, values: Floats) -> Floats:
        """Probability of "at least level k" for every level but the lowest; never rising with the level."""
        found = self.probabilities(values)
        # A note that surely is of a high level is at least of every lower one, whatever those machines say.
        return np.maximum.accumulate(found[:, ::-1], axis=1)[:, ::-1]

    def class_probabilities(self, values: Floats) -> Floats:
        """Probability of each level, shape (n_samples, n_levels)."""
        found = self.cumulative(values)
        edges = np.ones((len(found), 1))
        return np.hstack((edges, found)) - np.hstack((found, 0 * edges))

    def decide(self, found: Floats) -> NDArray[np.int64]:
        """Index of the decided level from class probabilities: the highest whose threshold is reached."""
        cumulative = 1 - np.cumsum(found, axis=1)[:, :-1]
        return _levels(cumulative + 1e-12, self.thresholds_)

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities, shape (n_samples, n_levels)."""
        return self.class_probabilities(self.decision_values(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Levels, shape (n_samples,)."""
        decided = self.decide(self.predict_proba(X))
        return np.asarray(self.classes_[decided])

    def _set_thresholds(self, cumulative: Floats, level: NDArray[np.int64]) -> None:
        top = len(self.classes_) - 1
        grid = np.linspace(0.2, 0.8, 25)
        if self.miss_rate is not None:
            positives = np.sort(cumulative[level == top, top - 1])
            allowed = int(np.floor(self.miss_rate * (len(positives) + 1) - 1))
            self.thresholds_[top - 1] = max(positives[allowed] if allowed >= 0 else 0.0, 1 / (1 + COST_OF_A_MISS))
        free = range(top if self.miss_rate is None else top - 1)
        for _ in range(2):
            for k in free:
                scores = []
                for value in grid:
                    self.thresholds_[k] = value
                    scores.append(kappa(_levels(cumulative, self.thresholds_), level, top + 1))
                # The middle of the best plateau, not its first point: kappa is flat and noisy there.
                best = np.flatnonzero(np.asarray(scores) >= max(scores) - 0.002)
                self.thresholds_[k] = grid[best[len(best) // 2]]


def _levels(cumulative: Floats, thresholds: Floats) -> NDArray[np.int64]:
    reached = cumulative >= thresholds
    return np.asarray(np.where(reached, np.arange(1, len(thresholds) + 1), 0).max(axis=1))
