"""The heads of a tagger side by side: one matrix, one decision.

:class:`HeadSet` holds the rules that join the heads:

- categories and risk never contradict each other: no dispute means risk ``none``, and a dispute at least the lowest level above it;
- where one head says no dispute and the other the highest risk, it is a dispute, unless the first is so sure that this would be dearer: a missed
  ``high`` costs ten times a false alarm, so its probability of no dispute has to be above 10/11;
- status is asked of disputes only;
- a decision is *unsure* where its probabilities are low, or where a miss would be dear: from a probability of 1/11 for ``high`` on, a note that is
  tagged otherwise is worth a look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from disputenlp.calibration import Floats, platt, sigmoid
from disputenlp.heads import COST_OF_A_MISS, LabelHead, OrdinalHead
from disputenlp.taxonomy import NONE

__all__ = ["Decisions", "HeadSet"]

# Of the notes that are not sent to review, this share should be right in category and risk; but no more than _MOST are sent.
_RIGHT, _MOST = 0.95, 0.25
_FITTED = ("classes_", "multilabel_", "at_least_one_", "thresholds_", "calibration_", "C_", "latent_weight_")

Heads = dict[str, LabelHead | OrdinalHead]


class Decisions(NamedTuple):
    """Decisions for a batch, one row a note. Indices are -1 where nothing was decided.

    Attributes
    ----------
    chosen : ndarray of bool, shape (n_notes, n_categories)
    primary : ndarray of int64, shape (n_notes,)
    category_p : ndarray of float64, shape (n_notes,)
    risk, status : ndarray of int64, shape (n_notes,)
        Indices into the levels and statuses of the head set.
    risk_p, high_risk_p, status_p : ndarray of float64, shape (n_notes,)
    unsure : ndarray of bool, shape (n_notes,)
    probabilities : dict of str to ndarray of float64
        For each head, the probabilities of its classes, shape (n_notes, n_classes).
    """

    chosen: NDArray[np.bool_]
    primary: NDArray[np.int64]
    category_p: Floats
    risk: NDArray[np.int64]
    risk_p: Floats
    high_risk_p: Floats
    status: NDArray[np.int64]
    status_p: Floats
    unsure: NDArray[np.bool_]
    probabilities: dict[str, Floats]


class HeadSet:
    """The fitted heads of a tagger.

    Parameters
    ----------
    heads : dict
        ``categories`` and, where trained, ``primary``, ``risk`` and ``status``. Where the first label of a note is its primary one, a head of its
        own decides which that is: what a dispute is about and what else is in it are two questions.
    names : dict of str to list of str
        For each head, its labels in the order of its classes.
    unsure_below : float, default=0.0
        Confidence below which a decision is unsure.
    confidence : dict of str to (float, float), default=None
        Slope and offset by which the probability of the chosen class becomes the probability that the choice is right: choosing the highest
        of many probabilities picks those that are too high.

    matrix : ndarray of float32, shape (n_features, n_outputs), default=None
        Coefficients of all heads, where they are in one array already.

    Attributes
    ----------
    matrix : ndarray of float32, shape (n_features, n_outputs)
        Coefficients of all heads; rounded to what a file holds, so that a model is the same before and after it is saved.
    intercept : ndarray of float32, shape (n_outputs,)
    """

    def __init__(
        self,
        heads: Heads,
        names: Mapping[str, Sequence[str]],
        unsure_below: float = 0.0,
        confidence: Mapping[str, Sequence[float]] | None = None,
        matrix: NDArray[np.float32] | None = None,
    ) -> None:
        self.confidence = {name: tuple(curve) for name, curve in (confidence or {}).items()}
        self.heads = heads
        self.names = {head: list(labels) for head, labels in names.items()}
        self.unsure_below = unsure_below
        if matrix is None:
            matrix = _rounded(np.ascontiguousarray(np.vstack([head.coef_ for head in heads.values()]).T, dtype=np.float32))
        self.matrix = matrix
        self.intercept = np.concatenate([head.intercept_ for head in heads.values()]).astype(np.float32)
        self._slices, first = {}, 0
        for name, head in heads.items():
            self._slices[name] = slice(first, first + len(head.intercept_))
            first += len(head.intercept_)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Settings and arrays from which :meth:`from_state` makes this head set again."""
        heads = {}
        for name, head in self.heads.items():
            heads[name] = {
                "params": {key: value for key, value in head.get_params().items() if key != "n_jobs"},
                "fitted": {key: np.asarray(getattr(head, key)).tolist() for key in _FITTED if hasattr(head, key)},
            }
        meta = {"heads": heads, "names": self.names, "unsure_below": self.unsure_below, "confidence": self.confidence}
        return meta, {"matrix": self.matrix.astype(np.float16), "intercept": self.intercept}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> HeadSet:
        """Make a head set from what :meth:`state` gave."""
        matrix, first = arrays["matrix"].astype(np.float32), 0
        heads: Heads = {}
        for name, saved in meta["heads"].items():
            head = (OrdinalHead if name == "risk" else LabelHead)(**saved["params"])
            for key, value in saved["fitted"].items():
                setattr(head, key, np.array(value) if isinstance(value, list) else value)
            last = first + len(head.thresholds_)
            head.coef_, head.intercept_ = matrix[:, first:last].T, arrays["intercept"][first:last]  # type: ignore[assignment]
            head.n_features_in_, head.out_of_fold_ = len(matrix), None
            heads[name], first = head, last
        return cls(heads, meta["names"], meta["unsure_below"], meta["confidence"], matrix)

    @property
    def none(self) -> int | None:
        """Index of the category that excludes all others, if there is one."""
        return getattr(self.heads["categories"], "exclusive", None)

    def values(self, X: sp.csr_matrix) -> NDArray[np.float32]:
        """Decision values of all outputs, shape (n_notes, n_outputs)."""
        return np.asarray(X @ self.matrix + self.intercept)

    def coefficients(self, decided: Mapping[str, NDArray[np.int64]]) -> Callable[..., NDArray[np.float32]]:
        """Coefficients that speak for what was decided.

        Parameters
        ----------
        decided : dict of str to ndarray of int64, shape (n_notes,)
            For each head the index of the class; for risk it is "at least this level" that counts.

        Returns
        -------
        callable
            Takes feature columns and the notes they are in, gives the sum of the heads' coefficients.
        """
        outputs = []
        for name, index in decided.items():
            if name == "categories" and "primary" in self.heads:
                name, index = "primary", self._place_of_primary()[index]
            if name not in self.heads:
                continue
            part = self._slices[name]
            two = isinstance(self.heads[name], LabelHead) and part.stop - part.start < len(self.names[name])
            shift = index - (1 if two or name == "risk" else 0)
            # With two classes, one machine decides: what speaks against the second speaks for the first.
            sign = np.where(shift >= 0, 1.0, -1.0 if two else 0.0) * (index >= 0)
            outputs.append((part.start + np.maximum(shift, 0), sign.astype(np.float32)))

        # One flat index is found in half the time that a row and a column take.
        flat, width = self.matrix.ravel(), self.matrix.shape[1]

        def lookup(column: NDArray[np.int32], note: NDArray[np.int32]) -> NDArray[np.float32]:
            total, row = np.zeros(len(column), dtype=np.float32), column.astype(np.int64) * width
            for output, sign in outputs:
                total += flat.take(row + output[note]) * sign[note]
            return total

        return lookup

    def decide(self, values: NDArray[Any]) -> Decisions:
        """Decisions from decision values of shape (n_notes, n_outputs)."""
        parts = {name: np.asarray(values[:, part], dtype=np.float64) for name, part in self._slices.items()}
        return self._decide({name: head.class_probabilities(parts[name]) for name, head in self.heads.items()})

    def calibrate(
        self,
        categories: NDArray[np.bool_],
        primary: NDArray[np.int64],
        risk: NDArray[np.int64] | None,
        n_status: NDArray[np.int64],
    ) -> None:
        """Set ``unsure_below``, and the threshold of further labels, on the out-of-fold values of the training notes.

        Parameters
        ----------
        categories : ndarray of bool, shape (n_notes, n_categories)
        primary, risk : ndarray of int64, shape (n_notes,)
            Right answers; ``risk`` may be None.
        n_status : ndarray of int64
            Rows that the status head was trained on.
        """
        probabilities = {}
        for name, head in self.heads.items():
            if head.out_of_fold_ is None:
                return
            rows = np.zeros((len(primary), np.size(head.out_of_fold_, 1)))
            rows[n_status if name == "status" else slice(None)] = head.out_of_fold_
            probabilities[name] = head.class_probabilities(rows)
        if "primary" in self.heads:
            self._set_second_threshold(probabilities, categories)
        found = self._decide(probabilities)
        answers = {"categories": (found.category_p, found.primary == primary)}
        if risk is not None:
            answers["risk"] = (found.risk_p, found.risk == risk)
        self.confidence = {name: platt(_logit(p), right, np.ones(len(p))) for name, (p, right) in answers.items()}
        found = self._decide(probabilities)
        right = (found.chosen == categories).all(axis=1) if risk is None else found.primary == primary
        if risk is not None:
            right &= found.risk == risk
        confidence = _confidence(found)
        order = np.argsort(-confidence)
        accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(accuracy >= _RIGHT)
        kept = max(enough[-1] + 1 if len(enough) else 0, int((1 - _MOST) * len(order)))
        self.unsure_below = float(confidence[order[min(kept, len(order) - 1)]])

    def _set_second_threshold(self, probabilities: dict[str, Floats], categories: NDArray[np.bool_]) -> None:
        """One threshold for the labels beside the primary one, with the best micro-F1.

        Those of the categories head are for labels that nothing else gives; most labels are given by the primary head, and what is left is rarer.
        """
        head, scores = self.heads["categories"], []
        grid = np.linspace(0.3, 0.7, 17)
        for threshold in grid:
            head.thresholds_ = np.full(categories.shape[1], threshold)
            chosen = self._decide(probabilities).chosen
            scores.append((chosen & categories).sum() / (chosen.sum() + categories.sum()))
        head.thresholds_ = np.full(categories.shape[1], grid[int(np.argmax(scores))])

    def _decide(self, found: dict[str, Floats]) -> Decisions:
        """Decisions from the class probabilities of each head."""
        heads, n_notes = self.heads, len(found["categories"])
        rows = np.arange(n_notes)
        empty, zero = np.full(n_notes, -1, dtype=np.int64), np.zeros(n_notes)
        risk, risk_p, high_p, status, status_p = empty, zero, zero, empty, zero
        chosen, weight = self._choose(found)
        if "risk" in heads:
            risk = heads["risk"].decide(found["risk"])
            high_p = found["risk"][:, -1]
            if self.none is not None:
                chosen, risk = self._agree(chosen, risk, weight)
            risk_p = self._sure("risk", found["risk"][rows, risk])
        primary = np.where(chosen, weight, -1.0).argmax(axis=1)
        category_p = weight[rows, primary]
        unlabelled = ~chosen.any(axis=1)
        category_p = self._sure("categories", np.where(unlabelled, 1 - found["categories"].max(axis=1), category_p))
        primary = np.where(unlabelled, -1, primary)
        if "status" in heads:
            asked = primary != self.none if self.none is not None else ~unlabelled
            best = heads["status"].decide(found["status"])
            status, status_p = np.where(asked, best, -1), np.where(asked, found["status"][rows, best], 1.0)
        out = Decisions(chosen, primary, category_p, risk, risk_p, high_p, status, status_p, zero > 0, found)
        unsure = _confidence(out) < self.unsure_below
        if "risk" in heads:
            unsure |= (high_p >= 1 / (1 + COST_OF_A_MISS)) & (risk < len(self.names["risk"]) - 1)
        return out._replace(unsure=unsure)

    def _choose(self, found: dict[str, Floats]) -> tuple[NDArray[np.bool_], Floats]:
        """Labels of each note, and for every label the probability of being the primary one; both of shape (n_notes, n_categories)."""
        chosen = _indicator(self.heads["categories"].decide(found["categories"]), found["categories"].shape[1])
        if "primary" not in self.heads:
            return chosen, found["categories"]
        weight = np.zeros(chosen.shape)
        weight[:, self.heads["primary"].classes_] = found["primary"]
        chosen = found["categories"] >= self.heads["categories"].thresholds_
        primary = weight.argmax(axis=1)
        if self.none is not None:
            # No dispute only where that is likelier than all disputes together: with many categories, it often is likelier than each of them.
            unclear = np.flatnonzero((primary == self.none) & (weight[:, self.none] <= 0.5))
            others = np.delete(weight[unclear], self.none, axis=1).argmax(axis=1)
            primary[unclear] = others + (others >= self.none)
            chosen[:, self.none] = False
            chosen[primary == self.none] = False
        chosen[np.arange(len(chosen)), primary] = True
        return chosen, weight

    def _place_of_primary(self) -> NDArray[np.int64]:
        """For each category its place among the classes of the primary head, -1 where it is never primary."""
        place = np.full(len(self.names["categories"]) + 1, -1, dtype=np.int64)
        place[self.heads["primary"].classes_] = np.arange(len(self.heads["primary"].classes_))
        return place

    def _sure(self, head: str, chosen: Floats) -> Floats:
        """Probability that a choice is right."""
        if head not in self.confidence:
            return chosen
        slope, offset = self.confidence[head]
        return sigmoid(_logit(chosen) * slope + offset)

    def _agree(self, chosen: NDArray[np.bool_], risk: NDArray[np.int64], found: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Make categories and risk agree on whether there is a dispute."""
        none, top = self.none, len(self.names["risk"]) - 1
        overruled = np.flatnonzero(chosen[:, none] & (risk == top) & (found[:, none] <= 1 - 1 / (1 + COST_OF_A_MISS)))
        others = found[overruled].copy()
        others[:, none] = -1
        chosen = chosen.copy()
        chosen[overruled, none] = False
        chosen[overruled, others.argmax(axis=1)] = True
        return chosen, np.where(chosen[:, none], self.names["risk"].index(NONE), np.maximum(risk, 1))


def _rounded(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients in half precision and in steps of about a thousandth of the largest.

    A note's decision values change by a thousandth, and a file gets smaller by two fifths.
    """
    largest = float(np.abs(matrix).max(initial=0.0))
    step = 2.0 ** np.floor(np.log2(largest / 512)) if largest else 1.0
    return np.asarray(np.round(matrix / step) * step, dtype=np.float16).astype(np.float32)


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def _confidence(found: Decisions) -> Floats:
    """How sure a decision is: the probability that category and risk both are right, as if they were independent."""
    return np.where(found.risk >= 0, found.category_p * found.risk_p, found.category_p)


def _indicator(decided: NDArray[Any], n_classes: int) -> NDArray[np.bool_]:
    return decided.astype(bool) if decided.ndim == 2 else decided[:, None] == np.arange(n_classes)
