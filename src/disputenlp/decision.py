"""From decisions to the table of tags.

:func:`tag_frame` makes the table of tags of a batch. A note that no model should decide (no Chinese in it, a word or two, cut off, words that
were never seen) is decided all the same, but marked for review, see :data:`FAULTS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from disputenlp.cleaning import MAX_CHARS, as_text
from disputenlp.explain import Explanation, Span, character_weights, evidence, word_spans
from disputenlp.features import NoteVectorizer, Reading
from disputenlp.heads import COST_OF_A_MISS
from disputenlp.headset import Decisions, HeadSet
from disputenlp.rows import NOTHING, Part
from disputenlp.taxonomy import NONE, Kind, to_name
from disputenlp.tokenizer import CLASS_HAN

__all__ = ["FAULTS", "KINDS", "Batch", "explanation", "label_lists", "tag_frame"]

#: The taxonomy of each head.
KINDS: dict[str, Kind] = {"categories": "categories", "primary": "categories", "risk": "risks", "status": "statuses"}
#: Why a note is not fit to be decided by a model.
FAULTS = ("空白或没有汉字", "太短", "过长已截断", "内容陌生")
# A note with fewer Han characters says too little; one of whose words a smaller share was ever seen is about something else.
_FEWEST_HAN, _FEWEST_KNOWN = 6, 0.5


class Batch(NamedTuple):
    """One batch of notes on its way through the tagger."""

    cells: Sequence[Any]
    texts: list[str]
    reading: Reading
    parts: list[Part]
    scale: NDArray[np.float32]
    found: Decisions


def tag_frame(batch: Batch, vectorizer: NoteVectorizer, heads: HeadSet, labels: str, with_evidence: bool) -> pd.DataFrame:
    """The table of tags of a batch."""
    found, faults = _without_blank(batch, heads), _faults(batch)
    lists = label_lists(found, _names(heads, "categories", labels))
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


def label_lists(found: Decisions, names: ArrayLike) -> list[list[Any]]:
    """Category labels of each note, the primary first, then the likeliest."""
    known = np.array(names, dtype=object)
    note, label = np.nonzero(found.chosen)
    order = np.lexsort((-found.probabilities["categories"][note, label], label != found.primary[note], note))
    given = iter(known[label[order]].tolist())
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
    words = batch.parts[0]
    bounds = np.searchsorted(words.start, batch.reading.batch.starts)
    share = _sums(words.column != NOTHING, bounds) / np.maximum(np.diff(bounds), 1)
    cut = np.fromiter((isinstance(cell, str | bytes) and len(cell) > MAX_CHARS for cell in batch.cells), np.bool_, n_notes)
    return han == 0, (han > 0) & (han < _FEWEST_HAN), cut, (han >= _FEWEST_HAN) & (share < _FEWEST_KNOWN)


def _count_han(batch: Batch) -> NDArray[np.int64]:
    return _sums(batch.reading.tokens.classes == CLASS_HAN, batch.reading.batch.starts)


def _sums(flags: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many flags are set between each bound and the next."""
    total = np.zeros(len(flags) + 1, dtype=np.int64)
    np.cumsum(flags, out=total[1:])
    return np.diff(total[bounds])


def _disputes(found: Decisions, heads: HeadSet) -> NDArray[np.bool_]:
    """Notes that have evidence: those with a label other than none."""
    return np.asarray((found.primary >= 0) & (found.primary != (-1 if heads.none is None else heads.none)))


def _weights(batch: Batch, vectorizer: NoteVectorizer, heads: HeadSet, decided: dict[str, NDArray[np.int64]]) -> NDArray[np.float64]:
    """What each code point adds to the scores of what was decided."""
    return character_weights(vectorizer, batch.reading, batch.parts, batch.scale, heads.coefficients(decided))
