"""From decision values to probabilities and thresholds, on notes that the machine at hand was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Floats", "f1_threshold", "kappa", "log_loss", "platt", "sigmoid"]

Floats = NDArray[np.float64]
# F1 has its best cut below one half (Lipton, Elkan and Naryanaswamy 2014); with as many positives as the second number, a label's own best cut
# and the usual one count alike.
_USUAL_THRESHOLD, _NOTES_TO_TRUST = 0.4, 20


def platt(values: Floats, target: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Slope and offset of the sigmoid, with Platt's prior so that few positives do not give certainty."""
    positive = float(weight[target].sum())
    negative = float(weight.sum()) - positive
    goal = np.where(target, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = values * parameters[0] + parameters[1]
        slope = weight * (sigmoid(z) - goal)
        return float(weight @ (np.logaddexp(0, z) - goal * z)), np.array([slope @ values, slope.sum()])

    start = np.array([2.0, np.log((positive + 1) / (negative + 1))])
    slope, offset = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    return float(slope), float(offset)


def log_loss(values: Floats, calibration: Floats, targets: NDArray[np.bool_], weight: Floats) -> float:
    """Log loss of decision values after their sigmoids, summed over outputs and notes."""
    z = values * calibration[:, 0] + calibration[:, 1]
    return float((weight[:, None] * (np.logaddexp(0, z) - targets * z)).sum())


def f1_threshold(found: Floats, target: NDArray[np.bool_], weight: Floats) -> float:
    """The cut with the best F1, drawn towards a usual one the fewer positives it was found on."""
    order = np.argsort(-found, kind="stable")
    hits = np.cumsum(weight[order] * target[order])
    if not len(hits) or not hits[-1]:
        return _USUAL_THRESHOLD
    f1 = 2 * hits / (np.cumsum(weight[order]) + hits[-1])
    trust = hits[-1] / (hits[-1] + _NOTES_TO_TRUST)
    last = int(f1.argmax())
    # Half-way to the first note that is left out: where notes are easily told apart, the cut should not cling to those that were seen.
    cut = (found[order[last]] + found[order[min(last + 1, len(order) - 1)]]) / 2
    return float(trust * cut + (1 - trust) * _USUAL_THRESHOLD)


def kappa(found: NDArray[np.int64], true: NDArray[np.int64], n_levels: int) -> float:
    """Quadratic weighted kappa (Cohen 1968)."""
    table = np.bincount(true * n_levels + found, minlength=n_levels**2).reshape(n_levels, n_levels)
    distance = np.subtract.outer(np.arange(n_levels), np.arange(n_levels)) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return 1 - float((distance * table).sum()) / max(float((distance * expected).sum()), 1e-12)


def sigmoid(z: Floats) -> Floats:
    """Logistic function."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))
