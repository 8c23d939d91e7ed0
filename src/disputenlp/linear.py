"""A stack of binary linear machines on the same features: what all heads share.

The machines are linear support vector machines (LIBLINEAR, Fan et al. 2008), so that a whole model is one matrix and predicting is one sparse × dense
product. What makes them more than that happens on *out-of-fold* decision values, those of notes that the machine at hand was not trained on, with whole
groups (voices, documents) held out where they are known: regularization and the weight of the latent block are chosen on them, and decision values
become probabilities by Platt's (1999) sigmoid.

In-sample decision values would make all of it far too sure of itself, since a linear model with more features than notes fits its training notes
perfectly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted, validate_data

from disputenlp.calibration import Floats, log_loss, platt, sigmoid
from disputenlp.latent import Latent, LatentBlock

__all__ = ["LinearStack"]


class LinearStack(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One binary machine an output, fitted and calibrated on out-of-fold values; the base class of the heads."""

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
        block = LatentBlock(latent.vectors, X) if latent is not None and latent.vectors.shape[1] else None
        weights = latent.weights if latent is not None and block is not None else (0.0,)
        folds = list(self._folds(X, y, groups))
        self.out_of_fold_ = None
        self.C_, self.latent_weight_, self.calibration_ = grid[0], weights[0], np.tile([2.0, 0.0], (targets.shape[1], 1))
        best = np.inf
        for latent_weight in weights if folds else ():
            Z = X if block is None else block.join(latent_weight)
            # The grid is searched with the usual weight, the other weights are tried with the C that was found.
            for c in grid if latent_weight == weights[0] else [self.C_]:
                values = np.zeros(targets.shape)
                for train, test in folds:
                    coef, intercept = self._fit_stack(Z[train], targets[train], weight[train], c)
                    values[test] = Z[test] @ coef.T + intercept
                calibration, loss = self._calibrate(values, targets, weight)
                if loss < best:
                    best, self.C_, self.latent_weight_, self.calibration_, self.out_of_fold_ = loss, c, latent_weight, calibration, values
        Z = X if block is None else block.join(self.latent_weight_)
        self.coef_, self.intercept_ = self._fit_stack(Z, targets, weight, self.C_)
        if block is not None:
            self.coef_, self.intercept_ = block.fold(self.coef_, self.intercept_, self.latent_weight_)

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
