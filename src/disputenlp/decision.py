"""From decision values to tags: the heads side by side, one matrix, one decision, one table.

:class:`HeadSet` holds the heads of a tagger and the rules that join them:

- categories and risk never contradict each other: no dispute means risk ``none``, and a dispute at least the lowest level above it;
- a note whose probability of the highest risk reaches its threshold is a dispute, whatever the category head says;
- status is asked of disputes only;
- a decision is *unsure* where its probabilities are low, or where a miss would be dear: a missed ``high`` costs ten times a false alarm, so
  from a probability of 1/11 on a note that is not tagged ``high`` is worth a look.

:func:`tag_frame` makes the table of tags of a batch. A note that no model should decide (no Chinese in it, a word or two, cut off, words that
were never seen) is decided all the same, but marked for review, see :data:`FAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from disputenlp.cleaning import MAX_CHARS, as_text
from disputenlp.explain import Explanation, Span, character_weights, evidence, word_spans
from disputenlp.features import NoteVectorizer, Occurrences, Reading
from disputenlp.heads import LabelHead, OrdinalHead, platt, sigmoid
from disputenlp.taxonomy import NONE, Kind, to_name
from disputenlp.tokenizer import CLASS_HAN, char_classes

__all__ = ["COST_OF_A_MISS", "FAULTS", "KINDS", "Batch", "Decisions", "HeadSet", "explanation", "label_lists", "tag_frame"]

#: A missed note of the highest risk costs as much as this many false alarms.
COST_OF_A_MISS = 10.0
# Of the notes that are not sent to review, this share should be right in category and risk; but no more than _MOST are sent.
_RIGHT, _MOST = 0.95, 0.25

#: The taxonomy of each head.
KINDS: dict[str, Kind] = {"categories": "categories", "risk": "risks", "status": "statuses"}
#: Why a note is not fit to be decided by a model.
FAULTS = ("空白或没有汉字", "太短", "过长已截断", "内容陌生")
# A note with fewer Han characters says too little; one of whose words a smaller share was ever seen is about something else.
_FEWEST_HAN, _FEWEST_KNOWN = 6, 0.5
_FITTED = ("classes_", "multilabel_", "at_least_one_", "thresholds_", "calibration_", "C_")

Floats = NDArray[np.float64]
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
        ``categories`` and, where trained, ``risk`` and ``status``.
    names : dict of str to list of str
        For each head, its labels in the order of its classes.
    unsure_below : float, default=0.0
        Confidence below which a decision is unsure.
    confidence : dict of str to (float, float), default=None
        Slope and offset by which the probability of the chosen class becomes the probability that the choice is right: choosing the highest
        of many probabilities picks those that are too high.

    Attributes
    ----------
    matrix : ndarray of float32, shape (n_features, n_outputs)
        Coefficients of all heads; rounded to half precision, so that a model is the same before and after it is saved.
    intercept : ndarray of float32, shape (n_outputs,)
    """

    def __init__(
        self,
        heads: Heads,
        names: Mapping[str, Sequence[str]],
        unsure_below: float = 0.0,
        confidence: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.confidence = {name: tuple(curve) for name, curve in (confidence or {}).items()}
        self.heads = heads
        self.names = {head: list(labels) for head, labels in names.items()}
        self.unsure_below = unsure_below
        stack = np.vstack([head.coef_ for head in heads.values()]).T
        self.matrix = np.ascontiguousarray(stack.astype(np.float16).astype(np.float32))
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
        matrix, first = arrays["matrix"].astype(np.float64), 0
        heads: Heads = {}
        for name, saved in meta["heads"].items():
            head = (OrdinalHead if name == "risk" else LabelHead)(**saved["params"])
            for key, value in saved["fitted"].items():
                setattr(head, key, np.array(value) if isinstance(value, list) else value)
            last = first + len(head.thresholds_)
            head.coef_, head.intercept_ = (
                matrix[:, first:last].T,
                arrays["intercept"][first:last].astype(np.float64),
            )
            head.n_features_in_, head.out_of_fold_ = len(matrix), None
            heads[name], first = head, last
        return cls(heads, meta["names"], meta["unsure_below"], meta["confidence"])

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
            if name not in self.heads:
                continue
            part = self._slices[name]
            two = isinstance(self.heads[name], LabelHead) and part.stop - part.start < len(self.names[name])
            shift = index - (1 if two or name == "risk" else 0)
            # With two classes, one machine decides: what speaks against the second speaks for the first.
            sign = np.where(shift >= 0, 1.0, -1.0 if two else 0.0) * (index >= 0)
            outputs.append((part.start + np.maximum(shift, 0), sign.astype(np.float32)))

        def lookup(column: NDArray[np.int32], note: NDArray[np.int32]) -> NDArray[np.float32]:
            total = np.zeros(len(column), dtype=np.float32)
            for output, sign in outputs:
                total += self.matrix[column, output[note]] * sign[note]
            return total

        return lookup

    def decide(self, values: NDArray[Any]) -> Decisions:
        """Decisions from decision values of shape (n_notes, n_outputs)."""
        return self._decide({name: np.asarray(values[:, part], dtype=np.float64) for name, part in self._slices.items()})

    def calibrate(
        self,
        categories: NDArray[np.bool_],
        primary: NDArray[np.int64],
        risk: NDArray[np.int64] | None,
        n_status: NDArray[np.int64],
    ) -> None:
        """Set ``unsure_below`` on the out-of-fold values of the training notes.

        Parameters
        ----------
        categories : ndarray of bool, shape (n_notes, n_categories)
        primary, risk : ndarray of int64, shape (n_notes,)
            Right answers; ``risk`` may be None.
        n_status : ndarray of int64
            Rows that the status head was trained on.
        """
        values = {}
        for name, head in self.heads.items():
            if head.out_of_fold_ is None:
                return
            rows = np.zeros((len(primary), np.size(head.out_of_fold_, 1)))
            rows[n_status if name == "status" else slice(None)] = head.out_of_fold_
            values[name] = rows
        found = self._decide(values)
        answers = {"categories": (found.category_p, found.primary == primary)}
        if risk is not None:
            answers["risk"] = (found.risk_p, found.risk == risk)
        self.confidence = {name: platt(_logit(p), right, np.ones(len(p))) for name, (p, right) in answers.items()}
        found = self._decide(values)
        right = (found.chosen == categories).all(axis=1) if risk is None else found.primary == primary
        if risk is not None:
            right &= found.risk == risk
        confidence = _confidence(found)
        order = np.argsort(-confidence)
        accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(accuracy >= _RIGHT)
        kept = max(enough[-1] + 1 if len(enough) else 0, int((1 - _MOST) * len(order)))
        self.unsure_below = float(confidence[order[min(kept, len(order) - 1)]])

    def _decide(self, values: dict[str, Floats]) -> Decisions:
        heads = self.heads
        found = {name: head.class_probabilities(values[name]) for name, head in heads.items()}
        n_notes = len(values["categories"])
        rows = np.arange(n_notes)
        empty, zero = np.full(n_notes, -1, dtype=np.int64), np.zeros(n_notes)
        risk, risk_p, high_p, status, status_p = empty, zero, zero, empty, zero
        chosen = _indicator(heads["categories"].decide(found["categories"]), found["categories"].shape[1])
        if "risk" in heads:
            risk = heads["risk"].decide(found["risk"])
            high_p = found["risk"][:, -1]
            if self.none is not None:
                chosen, risk = self._agree(chosen, risk, found["categories"])
            risk_p = self._sure("risk", found["risk"][rows, risk])
        primary = np.where(chosen, found["categories"], -1.0).argmax(axis=1)
        category_p = found["categories"][rows, primary]
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

    def _sure(self, head: str, chosen: Floats) -> Floats:
        """Probability that a choice is right."""
        if head not in self.confidence:
            return chosen
        slope, offset = self.confidence[head]
        return sigmoid(_logit(chosen) * slope + offset)

    def _agree(self, chosen: NDArray[np.bool_], risk: NDArray[np.int64], found: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Make categories and risk agree on whether there is a dispute."""
        none, top = self.none, len(self.names["risk"]) - 1
        overruled = np.flatnonzero(chosen[:, none] & (risk == top))
        others = found[overruled].copy()
        others[:, none] = -1
        chosen = chosen.copy()
        chosen[overruled, none] = False
        chosen[overruled, others.argmax(axis=1)] = True
        return chosen, np.where(chosen[:, none], self.names["risk"].index(NONE), np.maximum(risk, 1))


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def _confidence(found: Decisions) -> Floats:
    """How sure a decision is: the probability that category and risk both are right, as if they were independent."""
    return np.where(found.risk >= 0, found.category_p * found.risk_p, found.category_p)


def _indicator(decided: NDArray[Any], n_classes: int) -> NDArray[np.bool_]:
    return decided.astype(bool) if decided.ndim == 2 else decided[:, None] == np.arange(n_classes)


class Batch(NamedTuple):
    """One batch of notes on its way through the tagger."""

    cells: Sequence[Any]
    texts: list[str]
    reading: Reading
    seen: Occurrences
    scale: NDArray[np.float32]
    found: Decisions


def tag_frame(batch: Batch, vectorizer: NoteVectorizer, heads: HeadSet, labels: str, with_evidence: bool) -> pd.DataFrame:
    """The table of tags of a batch."""
    found, faults = _without_blank(batch, heads), _faults(batch)
    lists = label_lists(found, heads, labels)
    out: dict[str, Any] = {
        "category": pd.Series([row[0] if row else None for row in lists], dtype=object),
        "categories": pd.Series(lists, dtype=object),
        "category_p": found.category_p,
    }
    if "risk" in heads.heads:
        out["risk"] = pd.Categorical.from_codes(found.risk, pd.Index(_names(heads, "risk", labels)), ordered=True)
        out["risk_p"], out["high_risk_p"] = found.risk_p, found.high_risk_p
    if "status" in heads.heads:
        names = [*_names(heads, "status", labels), to_name(NONE, "statuses") if labels == "zh" else NONE]
        out["status"] = pd.Series(np.array(names, dtype=object)[found.status], dtype=object)
    out["needs_review"] = found.unsure | np.any(faults, axis=0)
    if with_evidence:
        wanted = _disputes(found, heads)
        weights = _weights(batch, vectorizer, heads, {"categories": found.primary, "risk": found.risk})
        out["evidence"] = pd.Series(evidence(batch.texts, batch.reading, weights, wanted), dtype=object)
    return pd.DataFrame(out)


def label_lists(found: Decisions, heads: HeadSet, labels: str) -> list[list[Any]]:
    """Category labels of each note, the likeliest first."""
    names = np.array(_names(heads, "categories", labels), dtype=object)
    note, label = np.nonzero(found.chosen)
    # The primary is the likeliest, so that order by probability puts it first.
    order = np.lexsort((-found.probabilities["categories"][note, label], note))
    given = iter(names[label[order]].tolist())
    return [list(islice(given, count)) for count in found.chosen.sum(axis=1).tolist()]


def explanation(batch: Batch, vectorizer: NoteVectorizer, heads: HeadSet, labels: str) -> Explanation:
    """Why the one note of a batch gets its tags."""
    tags = {str(name): value for name, value in tag_frame(batch, vectorizer, heads, labels, True).iloc[0].items()}
    found, spans = batch.found, list[Span]()
    if _disputes(found, heads)[0]:
        for head, index in (("categories", found.primary), ("risk", found.risk)):
            if head in heads.heads:
                name = str(_names(heads, head, labels)[int(index[0])])
                label = name if head == "categories" else f"风险{name}" if labels == "zh" else f"risk {name}"
                spans += word_spans(batch.reading, _weights(batch, vectorizer, heads, {head: index}), label)
    spans.sort(key=lambda span: -span.weight)
    reasons = [reason for reason, fault in zip(FAULTS, _faults(batch), strict=True) if fault[0]]
    if found.unsure[0]:
        might_be_high = found.high_risk_p[0] >= 1 / (1 + COST_OF_A_MISS) and found.risk[0] < len(heads.names.get("risk", ())) - 1
        reasons.append("可能为高风险" if might_be_high else "把握不足")
    return Explanation(as_text(batch.cells[0]) or "", tags, spans, reasons)


def _names(heads: HeadSet, head: str, labels: str) -> list[Any]:
    names = heads.names[head]
    return [to_name(name, KINDS[head]) for name in names] if labels == "zh" else names


def _without_blank(batch: Batch, heads: HeadSet) -> Decisions:
    """Decisions, with notes that hold no Chinese at all as no dispute (or, without such a label, as not labelled)."""
    found, none = batch.found, heads.none
    blank = np.flatnonzero(_count_han(batch) == 0)
    if not len(blank) or (none is None and not heads.heads["categories"].multilabel_):
        return found
    found.chosen[blank] = False
    found.primary[blank] = -1
    if none is not None:
        found.chosen[blank, none] = True
        found.primary[blank] = none
        found.category_p[blank] = found.probabilities["categories"][blank, none]
    if "risk" in found.probabilities:
        found.risk[blank], found.risk_p[blank] = 0, found.probabilities["risk"][blank, 0]
    found.status[blank] = -1
    return found


def _faults(batch: Batch) -> tuple[NDArray[np.bool_], ...]:
    """Whether each note has each of ``FAULTS``."""
    n_notes, han = len(batch.cells), _count_han(batch)
    note = batch.reading.batch.note_of()[batch.reading.tokens.start]
    known = batch.seen.column[: len(note)] >= 0
    share = np.bincount(note, weights=known, minlength=n_notes) / np.maximum(np.bincount(note, minlength=n_notes), 1)
    cut = np.fromiter((isinstance(cell, str | bytes) and len(cell) > MAX_CHARS for cell in batch.cells), np.bool_, n_notes)
    return han == 0, (han > 0) & (han < _FEWEST_HAN), cut, (han >= _FEWEST_HAN) & (share < _FEWEST_KNOWN)


def _count_han(batch: Batch) -> NDArray[np.int64]:
    text = batch.reading.batch
    return np.bincount(text.note_of(), weights=char_classes(text.codes) == CLASS_HAN, minlength=len(text)).astype(np.int64)


def _disputes(found: Decisions, heads: HeadSet) -> NDArray[np.bool_]:
    """Notes that have evidence: those with a label other than none."""
    return np.asarray((found.primary >= 0) & (found.primary != (-1 if heads.none is None else heads.none)))


def _weights(batch: Batch, vectorizer: NoteVectorizer, heads: HeadSet, decided: dict[str, NDArray[np.int64]]) -> NDArray[np.float64]:
    """What each code point adds to the scores of what was decided."""
    return character_weights(vectorizer, batch.reading, batch.seen, batch.scale, heads.coefficients(decided))
