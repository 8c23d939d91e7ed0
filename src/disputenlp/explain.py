"""Evidence: the spans of the original text that carried a decision.

Every score of the model is a sum over features, and every feature stands somewhere in the note. So the weight of a character is the sum of
what the features that cover it add to the score, and evidence is where these weights are highest: clauses for the evidence column
(:func:`evidence`), words for the marked text of :class:`Explanation`. No second model explains the first.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from disputenlp.cleaning import SEP, TextBatch, char_table
from disputenlp.features import NoteVectorizer, Reading
from disputenlp.rows import NOTHING, Part

__all__ = ["MAX_SPANS", "Explanation", "Span", "character_weights", "evidence", "word_spans"]

#: Most spans that are given as evidence.
MAX_SPANS = 5
# A clause longer than this (dictated notes have no punctuation) is cut at a word.
_LONG_CLAUSE = 24
_CLAUSE_ENDS = chr(SEP) + ",。;!?:、\n "

Floats = NDArray[np.float64]


class Span(NamedTuple):
    """A span of the original text: offsets in characters, weight (its share in the score), and the label it speaks for."""

    start: int
    end: int
    weight: float
    label: str


class Explanation:
    """Why a note got its tags; marked text in notebooks and terminals.

    Attributes
    ----------
    text : str
        The original note.
    tags : dict of str to object
        The note's row of :meth:`~disputenlp.tagger.DisputeTagger.tag`.
    spans : list of Span
        What spoke for the primary category and for the risk level, strongest first.
    reasons : list of str
        Why a person should look, empty if nobody needs to.
    """

    def __init__(self, text: str, tags: dict[str, Any], spans: list[Span], reasons: list[str]) -> None:
        self.text, self.tags, self.spans, self.reasons = text, tags, spans, reasons

    def _summary(self) -> str:
        parts = [f"{self.tags['category']} {self.tags['category_p']:.0%}"]
        if "risk" in self.tags:
            parts.append(f"风险{self.tags['risk']} {self.tags['risk_p']:.0%} (高风险 {self.tags['high_risk_p']:.0%})")
        if "status" in self.tags:
            parts.append(str(self.tags["status"]))
        if self.reasons:
            parts.append("需复核: " + "、".join(self.reasons))
        return " · ".join(parts)

    def _pieces(self) -> list[tuple[str, float, str]]:
        """The text cut at the spans: piece, relative weight (0 outside spans) and labels."""
        weight = np.zeros(len(self.text) + 1)
        labels: list[set[str]] = [set() for _ in range(len(self.text))]
        top = max((span.weight for span in self.spans), default=1.0)
        for span in self.spans:
            weight[span.start : span.end] = np.maximum(weight[span.start : span.end], span.weight / top)
            for at in range(span.start, span.end):
                labels[at].add(span.label)
        pieces, last = [], 0
        for at in range(1, len(self.text) + 1):
            if at == len(self.text) or weight[at] != weight[last] or labels[at] != labels[last]:
                pieces.append((self.text[last:at], float(weight[last]), "、".join(sorted(labels[last]))))
                last = at
        return pieces

    def __repr__(self) -> str:
        """Summary and the strongest spans."""
        spans = "；".join(f"{self.text[s.start : s.end]} → {s.label} {s.weight:.2f}" for s in self.spans[:MAX_SPANS])
        return f"{self._summary()}\n{spans}"

    def __rich__(self) -> Any:
        """Marked text for the terminal."""
        from rich.text import Text

        out = Text(self._summary() + "\n", style="bold")
        for piece, weight, _ in self._pieces():
            out.append(piece, style="bold red" if weight > 0.5 else "yellow" if weight else "not bold")
        return out

    def _repr_html_(self) -> str:
        marked = "".join(
            f'<mark title="{html.escape(label)} {weight:.2f}" style="background:rgba(230,90,40,{0.15 + 0.6 * weight:.2f})">'
            f"{html.escape(piece)}</mark>"
            if weight
            else html.escape(piece)
            for piece, weight, label in self._pieces()
        )
        return (
            f'<div style="line-height:1.9;max-width:50em"><b>{html.escape(self._summary())}</b>'
            f'<div style="white-space:pre-wrap">{marked}</div></div>'
        )


def character_weights(
    vectorizer: NoteVectorizer,
    reading: Reading,
    parts: Sequence[Part],
    scale: NDArray[np.float32],
    coefficients: Callable[[NDArray[np.uint32], NDArray[np.int32]], NDArray[np.float32]],
) -> Floats:
    """What each code point of a batch adds to the score of its note.

    Parameters
    ----------
    vectorizer, reading, parts, scale
        The batch, as from :meth:`NoteVectorizer.read`, ``columns`` and ``rows``.
    coefficients : callable of (columns, notes) to ndarray
        Coefficient of each occurrence, given its column and its note.

    Returns
    -------
    ndarray of float64, shape (n_chars,)
        A feature that occurs more than once counts fully each time, which shows every place it stands at.
    """
    note_of, places, values = reading.batch.note_of(), list[NDArray[Any]](), list[NDArray[Any]]()
    for part in parts:
        known = np.flatnonzero(part.column != NOTHING)
        column, start = part.column[known], part.start[known]
        length = part.length if isinstance(part.length, int) else part.length[known]
        note = note_of[start]
        # Not one kind for a whole part: n-grams of two kinds may share a bucket, and with it a column.
        factor = scale.ravel().take(note * scale.shape[1] + vectorizer.kind_of(column))
        value = vectorizer.idf_[column] * factor * coefficients(column, note) / length
        places += [start, start + length]
        values += [value, -value]
    if not places:
        return np.zeros(len(reading.batch.codes))
    steps = np.bincount(np.concatenate(places), weights=np.concatenate(values), minlength=len(reading.batch.codes) + 1)
    return np.asarray(np.cumsum(steps)[:-1], dtype=np.float64)


def evidence(texts: Sequence[str], reading: Reading, weights: Floats, wanted: NDArray[np.bool_]) -> list[list[str]]:
    """For each wanted note, the clauses of the original that weigh most, strongest first; an empty list for the others."""
    out: list[list[str]] = [[] for _ in texts]
    batch = reading.batch
    if not len(batch.codes):
        return out
    bounds = _clause_bounds(batch, reading)
    score = np.add.reduceat(weights, bounds)
    note = batch.note_of()[bounds]
    best = np.full(len(batch), 0.0)
    np.maximum.at(best, note, score)
    kept = np.flatnonzero(wanted[note] & (score > 0) & (score >= 0.25 * best[note]))
    kept = kept[np.lexsort((-score[kept], note[kept]))]
    rank = np.arange(len(kept)) - np.searchsorted(note[kept], note[kept])
    kept = kept[rank < MAX_SPANS]
    ends = np.append(bounds[1:], len(batch.codes))
    # A clause reaches to where the next begins, so that what was masked or removed at its end is shown; the mark of the end of a note has
    # the offset of that end.
    past = np.where(batch.codes[ends[kept] - 1] == SEP, ends[kept] - 1, np.minimum(ends[kept], len(batch.codes) - 1))
    first, last = batch.origin[bounds[kept]].tolist(), batch.origin[past].tolist()
    for index, start, end in zip(note[kept].tolist(), first, last, strict=True):
        clause = texts[index][start:end].strip(" \t\r\n\u3000,，。;；!！?？:：、")
        if clause:
            out[index].append(clause)
    return out


def word_spans(reading: Reading, weights: Floats, label: str) -> list[Span]:
    """Words of a batch of one note that speak for a label: those with at least a tenth of the strongest word's weight."""
    start, length = reading.tokens.start, reading.tokens.length
    if not len(start):
        return []
    total = np.concatenate(([0.0], np.cumsum(weights)))
    score = total[start + length] - total[start]
    origin = reading.batch.origin
    strong = (score > 0) & (score >= 0.1 * score.max())
    return [
        Span(int(origin[at]), int(origin[at + size - 1]) + 1, float(weight), label)
        for at, size, weight in zip(start[strong].tolist(), length[strong].tolist(), score[strong].tolist(), strict=True)
    ]


def _clause_bounds(batch: TextBatch, reading: Reading) -> NDArray[np.int64]:
    """First code points of clauses."""
    ends = char_table(_CLAUSE_ENDS)[batch.codes]
    begins = np.zeros(len(batch.codes), dtype=np.bool_)
    begins[0] = True
    begins[1:] = ends[:-1]
    clause_start = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
    start = reading.tokens.start
    piece = (start - clause_start[start]) // _LONG_CLAUSE
    cut = start[1:][(piece[1:] > piece[:-1]) & (clause_start[start[1:]] == clause_start[start[:-1]])]
    begins[cut] = True
    return np.flatnonzero(begins)
