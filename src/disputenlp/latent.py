"""What features have in common: a second, small view of a note for the heads to learn from.

A linear model gives each word a weight of its own, and a word of three training notes a poor one. But words that stand in the same notes mean similar
things, which needs no labels to be seen. :class:`LatentBlock` puts, beside the features of a note, the mean of the *vectors* of its features, so that
what is learned of one word counts for its kin. As the mean is linear in the features, the coefficients of the block can be folded into those of
the features once a head is fitted: predicting costs nothing more, the evidence stays exact, and a model file is as before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from disputenlp.calibration import Floats

__all__ = ["Latent", "LatentBlock", "latent_vectors", "unit_length"]


class Latent(NamedTuple):
    """Vectors of features, and the weights to choose from.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n_features, n_latent)
    weights : tuple of float
        What the block may weigh where each block of features weighs 1; the first is the usual one.
    """

    vectors: NDArray[np.float32]
    weights: tuple[float, ...] = (0.4,)


def latent_vectors(X: sp.csr_matrix, n_latent: int, random_state: int = 0) -> NDArray[np.float32]:
    """A vector for each feature, by latent semantic analysis (Deerwester et al. 1990).

    Parameters
    ----------
    X : csr_matrix, shape (n_notes, n_features)
    n_latent : int
        Length of the vectors; at most a quarter of the notes and of the features.
    random_state : int, default=0

    Returns
    -------
    ndarray of float32, shape (n_features, n_latent)
        Of unit length: a rare feature has as long a vector as a frequent one, which is the point of it. There may be no columns, with few notes.

    Examples
    --------
    >>> latent_vectors(sp.csr_matrix(np.eye(8, dtype=np.float32)), 64).shape
    (8, 2)
    """
    size = min(n_latent, *(n // 4 for n in X.shape))
    if size < 1:
        return np.zeros((X.shape[1], 0), dtype=np.float32)
    _, strength, directions = randomized_svd(X, size, n_iter=2, random_state=random_state)
    return unit_length(directions.T * strength)


def unit_length(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows made one long; those that are next to nothing stay so, where scikit-learn's ``normalize`` would blow up their rounding errors."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


class LatentBlock:
    """The mean vector of each note's features, centred, beside the features.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n_features, n_latent)
    X : csr_matrix, shape (n_notes, n_features)
        Training notes.
    """

    def __init__(self, vectors: NDArray[np.float32], X: Any) -> None:
        means = np.asarray(X @ vectors, dtype=np.float64)
        self._X, self._vectors, self._mean = X, vectors, means.mean(axis=0)
        self._centred = means - self._mean
        self._length = max(float(np.sqrt(np.square(self._centred).sum(axis=1).mean())), 1e-9)

    def join(self, weight: float) -> Any:
        """The training notes' features with the block beside them; ``weight`` is its root mean square length."""
        return sp.hstack([self._X, sp.csr_matrix(self._centred * (weight / self._length))], format="csr")

    def fold(self, coef: Floats, intercept: Floats, weight: float) -> tuple[Floats, Floats]:
        """Coefficients and intercepts for the features alone that give the same decision values as these, which are for features and block."""
        n_features = len(self._vectors)
        block = coef[:, n_features:] * (weight / self._length)
        return coef[:, :n_features] + block @ self._vectors.T.astype(np.float64), intercept - block @ self._mean
