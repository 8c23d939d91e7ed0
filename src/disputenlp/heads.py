"""Linear heads: features to calibrated probabilities and decisions.

:class:`LabelHead` decides between labels (one of them, or any number), :class:`OrdinalHead` between ordered levels. Both are stacks of
binary linear support vector machines (LIBLINEAR, Fan et al. 2008), so that a whole model is one matrix and predicting is one sparse ×
dense product. What makes them more than that happens on *out-of-fold* decision values, those of notes that the machine at hand was not
trained on, with whole groups (voices, documents) held out where they are known:

- the strength of regularization is chosen from a small grid,
- decision values become probabilities by Platt's (1999) sigmoid,
- thresholds are set: for labels by what maximizes F1, for the highest level by a bound on the share that is missed.

In-sample decision values would make all three far too sure of themselves, since a linear model with more features than notes fits its
training notes perfectly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from disputenlp.calibration import Floats, f1_threshold, kappa, log_loss, platt, sigmoid
from disputenlp.latent import Latent, LatentBlock

__all__ = ["COST_OF_A_MISS", "LabelHead", "OrdinalHead"]

#: A missed note of the highest risk costs as much as this many false alarms.
COST_OF_A_MISS = 10.0


class _LinearHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both heads share: one binary machine an output, out-of-fold values, calibration."""

    def __init__(
        self,
        *,
        C: float | Sequence[float] = (0.1, 0.3, 1.0, 3.0),
        class_weight: str | float | None = 0.5,
        n_folds: int = 5,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.n_folds = n_folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    def decision_values(self, X: Any) -> Floats:
        """Raw decision value of every output, shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=np.float64)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def probabilities(self, values: Floats) -> Floats:
        """Calibrated probability of every output from its decision values."""
        return sigmoid(values * self.calibration_[:, 0] + self.calibration_[:, 1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fit_outputs(
        self, X: Any, targets: NDArray[np.bool_], weight: Floats, groups: ArrayLike | None, y: Any, latent: Latent | None
    ) -> None:
        """Fit one machine a column of ``targets``, after choosing ``C`` and the weight of the latent block on out-of-fold decision values."""
        grid = [float(c) for c in np.atleast_1d(np.asarray(self.C, dtype=float))]
        if not grid or min(grid) <= 0:
            raise ValueError(f"C is {self.C!r}, but must be a positive number or several")
        weights = latent.weights if latent is not None and latent.vectors.shape[1] else (0.0,)
        blocks = {w: LatentBlock(latent.vectors, X, w) for w in weights if w and latent is not None}
        folds = list(self._folds(X, y, groups))
        self.out_of_fold_ = None
        self.C_, self.latent_weight_, self.calibration_ = grid[0], weights[0], np.tile([2.0, 0.0], (targets.shape[1], 1))
        best = np.inf

        def try_out(c: float, latent_weight: float) -> None:
            nonlocal best
            Z, values = _joined(X, blocks.get(latent_weight)), np.zeros(targets.shape)
            for train, test in folds:
                coef, intercept = self._fit_stack(Z[train], targets[train], weight[train], c)
                values[test] = Z[test] @ coef.T + intercept
            calibration, loss = self._calibrate(values, targets, weight)
            if loss < best:
                best, self.C_, self.latent_weight_, self.calibration_, self.out_of_fold_ = loss, c, latent_weight, calibration, values

        for c in grid if folds else ():
            try_out(c, weights[0])
        for latent_weight in weights[1:] if folds else ():
            try_out(self.C_, latent_weight)
        block = blocks.get(self.latent_weight_)
        self.coef_, self.intercept_ = self._fit_stack(_joined(X, block), targets, weight, self.C_)
        if block is not None:
            self.coef_, self.intercept_ = block.fold(self.coef_, self.intercept_)

    def _calibrate(self, values: Floats, targets: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
        """Slope and offset of each output, and the log loss they reach."""
        calibration = np.array([platt(values[:, k], targets[:, k], weight) for k in range(targets.shape[1])])
        return calibration, log_loss(values, calibration, targets, weight)

    def _fit_stack(self, X: Any, targets: NDArray[np.bool_], weight: Floats, c: float) -> tuple[Floats, Floats]:
        columns = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_binary)(X, targets[:, k], weight, c, self.class_weight, self.random_state) for k in range(targets.shape[1])
        )
        return np.array([coef for coef, _ in columns]), np.array([intercept for _, intercept in columns])

    def _folds(self, X: Any, y: Any, groups: ArrayLike | None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Folds for the out-of-fold values: by group where there are enough groups, else by class where ``y`` is one column."""
        n = X.shape[0]
        if groups is not None and len(np.unique(np.asarray(groups))) >= self.n_folds:
            return iter(GroupKFold(self.n_folds).split(X, groups=groups))
        if n < 2 * self.n_folds:
            return iter(())
        y = np.asarray(y)
        if y.ndim == 1 and np.unique(y, return_counts=True)[1].min() >= self.n_folds:
            return iter(StratifiedKFold(self.n_folds, shuffle=True, random_state=self.random_state).split(X, y))
        return iter(KFold(self.n_folds, shuffle=True, random_state=self.random_state).split(X))


class LabelHead(_LinearHead):
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


class OrdinalHead(_LinearHead):
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


def _joined(X: Any, block: LatentBlock | None) -> Any:
    return X if block is None else block.join(X)


def _levels(cumulative: Floats, thresholds: Floats) -> NDArray[np.int64]:
    reached = cumulative >= thresholds
    return np.asarray(np.where(reached, np.arange(1, len(thresholds) + 1), 0).max(axis=1))


def _fit_binary(
    X: sp.csr_matrix,
    target: NDArray[np.bool_],
    weight: Floats,
    c: float,
    class_weight: str | float | None,
    seed: int,
) -> tuple[Floats, float]:
    """Coefficients and intercept of one machine; a target that never varies gives a constant."""
    positive, total = float(weight[target].sum()), float(weight.sum())
    if positive in (0.0, total):
        return np.zeros(X.shape[1]), 3.0 if positive else -3.0
    power = 1.0 if class_weight == "balanced" else 0.0 if class_weight is None else float(class_weight)
    balance = np.where(target, total / (2 * positive), total / (2 * (total - positive))) ** power
    machine = LinearSVC(C=c, random_state=seed, tol=1e-3, max_iter=3000)
    machine.fit(X, target, sample_weight=weight * balance)
    return machine.coef_[0], float(machine.intercept_[0])
