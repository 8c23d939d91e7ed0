"""How right a tagger is: metrics on labelled notes, cross-validation by voice.

Everything that is claimed of a model comes from here and from :mod:`disputenlp.behaviour`. :func:`evaluate` measures a tagger on labelled notes;
:func:`cross_validate` measures the way of training on voices that were not trained on, which is what a new archive is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, precision_recall_fscore_support
from sklearn.model_selection import GroupKFold

from disputenlp.archive import ArchiveError, find_text_column, read_archive
from disputenlp.models import untrained
from disputenlp.tagger import DisputeTagger
from disputenlp.taxonomy import labels, read_labels

__all__ = [
    "Evaluation",
    "compare_tags",
    "cross_validate",
    "evaluate",
    "labelled_columns",
    "markdown",
    "read_labelled",
]

_COLUMNS = {
    "categories": ("categories", "category", "类别", "全部类别", "标签", "label", "labels"),
    "risk": ("risk", "风险", "风险等级"),
    "status": ("status", "化解状态", "状态"),
}
_LEVELS = [label.id for label in labels("risks")]
_CATEGORIES = [label.id for label in labels("categories")]
Frame = pd.DataFrame


class Evaluation:
    """Figures and tables of one measurement; shows itself in notebooks and terminals.

    Attributes
    ----------
    numbers : dict of str to float
        The figures, by name.
    by_category, by_risk : DataFrame
        Precision, recall, F1 and number of notes of each label; for risk the confusion table.
    coverage : DataFrame
        Share of notes kept when the least sure ones are left out, and the share of these that is right in category and risk.
    """

    def __init__(self, title: str, numbers: dict[str, float], by_category: Frame, by_risk: Frame, coverage: Frame) -> None:
        self.title, self.numbers = title, numbers
        self.by_category, self.by_risk, self.coverage = by_category, by_risk, coverage

    def to_markdown(self) -> str:
        """All of it as Markdown."""
        figures = pd.DataFrame({"": list(self.numbers), "value": [f"{value:.3f}" for value in self.numbers.values()]})
        parts = [f"#### {self.title}", markdown(figures)]
        for name, table in (("category", self.by_category), ("risk: rows true, columns found", self.by_risk), ("kept", self.coverage)):
            if len(table):
                parts.append(markdown(table.rename_axis(name).reset_index()))
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        """Figures, one a line."""
        width = max(map(len, self.numbers))
        return "\n".join([self.title, *(f"  {name:<{width}}  {value:.3f}" for name, value in self.numbers.items())])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{value:.3f}</td></tr>" for name, value in self.numbers.items())
        tables = "".join(
            table.to_html(float_format="{:.2f}".format) for table in (self.by_category, self.by_risk, self.coverage) if len(table)
        )
        return f"<h4>{html.escape(self.title)}</h4><table>{rows}</table>{tables}"


def evaluate(tagger: DisputeTagger, labelled: pd.DataFrame, *, title: str = "evaluation") -> Evaluation:
    """Measure a tagger on labelled notes.

    Parameters
    ----------
    tagger : DisputeTagger
    labelled : DataFrame
        A column of notes, ``categories`` (a label or a list of labels a note) and, where the tagger has them, ``risk`` and ``status``.

    Returns
    -------
    Evaluation

    Examples
    --------
    >>> import disputenlp as dn
    >>> notes = dn.corpus().head(100)
    >>> dn.evaluate(dn.load(), notes).numbers["notes"]
    100.0
    """
    text = "text" if "text" in labelled else find_text_column(labelled)
    tags = tagger.tag(labelled[text], labels="id", evidence=False)
    return compare_tags(labelled, tags, title=title)


def compare_tags(labelled: pd.DataFrame, tags: pd.DataFrame, *, title: str = "evaluation") -> Evaluation:
    """Figures for tags (with ids) of labelled notes, row by row."""
    given = labelled_columns(labelled)
    true = read_labels(given["categories"], "categories")
    found = read_labels(tags["categories"].tolist(), "categories")
    names = list(dict.fromkeys([*true.names, *found.names]))
    true = read_labels([[true.names[k] for k in np.flatnonzero(row)] for row in true.indicator], "categories", names)
    primary = read_labels([_first(value) for value in given["categories"]], "categories", names).primary
    guess = read_labels([row[0] if row else None for row in tags["categories"]], "categories", names).primary
    found = read_labels(tags["categories"].tolist(), "categories", names)
    right = guess == primary
    seen = sorted(set(primary.tolist()) - {-1})
    numbers: dict[str, float] = {
        "notes": float(len(tags)),
        "primary accuracy": float(right.mean()),
        "primary macro-F1": float(f1_score(primary, guess, labels=seen, average="macro", zero_division=0.0)),
        "multi-label micro-F1": float(f1_score(true.indicator, found.indicator, average="micro", zero_division=0.0)),
        "ECE category": _calibration_error(tags["category_p"].to_numpy(), right),
    }
    confidence, by_risk = tags["category_p"].to_numpy(), pd.DataFrame()
    if "risk" in given and "risk" in tags:
        more, by_risk, level_right = _risk_figures(given["risk"], tags)
        numbers |= more
        right, confidence = right & level_right, confidence * tags["risk_p"].to_numpy()
    if "status" in given and "status" in tags:
        numbers["status accuracy"] = float(
            np.mean([a == b for a, b in zip(_ids(given["status"], "statuses"), tags["status"], strict=True)])
        )
    review = tags["needs_review"].to_numpy()
    numbers |= {"sent to review": float(review.mean()), "all right": float(right.mean())}
    if (~review).any():
        numbers["all right where not sent to review"] = float(right[~review].mean())
    scores = precision_recall_fscore_support(primary, guess, labels=seen, zero_division=0.0)
    by_category = pd.DataFrame(np.transpose(scores), index=[names[k] for k in seen], columns=["precision", "recall", "F1", "notes"])
    return Evaluation(title, numbers, by_category, by_risk, _coverage(confidence, right))


def cross_validate(
    labelled: pd.DataFrame,
    make: Callable[[], DisputeTagger] = untrained,
    *,
    groups: str = "voice",
    n_folds: int = 5,
    size: int | None = None,
) -> pd.DataFrame:
    """Tags of every note by a tagger that saw no note of its voice.

    Parameters
    ----------
    labelled : DataFrame
        Columns ``text``, ``categories``, and where wanted ``risk``, ``status``, and that of ``groups``.
    make : callable, default=untrained
        Makes an untrained tagger; the default has the settings of the bundled model.
    groups : str, default="voice"
    n_folds : int, default=5
    size : int, default=None
        Train on no more than this many notes, drawn at random; for learning curves.

    Returns
    -------
    DataFrame
        As from :meth:`DisputeTagger.tag` with ids, in the order of ``labelled``.
    """
    parts = []
    rng = np.random.default_rng(0)
    for train, test in GroupKFold(n_folds, shuffle=True, random_state=0).split(labelled, groups=labelled[groups]):
        chosen = train if size is None or size >= len(train) else rng.choice(train, size, replace=False)
        notes = labelled.iloc[chosen]
        given: dict[str, Any] = {name: notes[name] for name in ("categories", "risk", "status") if name in notes}
        tagger = make().fit(notes["text"], **given, groups=notes[groups])
        parts.append(tagger.tag(labelled["text"].iloc[test], labels="id", evidence=False))
    levels = [list(part["risk"].cat.categories) for part in parts if "risk" in part]
    out = pd.concat([part.assign(risk=part["risk"].astype(str)) if levels else part for part in parts]).loc[labelled.index]
    return out.assign(risk=pd.Categorical(out["risk"], _LEVELS, ordered=True)) if levels else out


# ---------------------------------------------------------------- labelled files


def read_labelled(path: str | Path, text: str | None = None) -> pd.DataFrame:
    """Labelled notes of a file, with columns ``text``, ``categories`` and, where there are any, ``risk`` and ``status``.

    Raises
    ------
    ArchiveError
        If there is no column of categories.
    """
    frame = read_archive(path, text)
    notes = frame.rename(columns={find_text_column(frame, text): "text"})
    for name, usual in _COLUMNS.items():
        column = next((column for column in usual if column in notes.columns), None)
        if column is not None:
            notes = notes.rename(columns={column: name})
        elif name == "categories":
            raise ArchiveError(f"{path}: no column of labels; it should be named one of {', '.join(usual)}")
    notes["categories"] = [_split(value) for value in notes["categories"]]
    return notes


def labelled_columns(notes: pd.DataFrame) -> dict[str, Any]:
    """The columns of labels of a table, as ``fit`` takes them."""
    return {name: notes[name] for name in _COLUMNS if name in notes}


def _split(value: Any) -> Any:
    """Labels in one cell: ``婚恋情感、债务借贷`` or ``marriage,debt``."""
    return re.split(r"\s*[、,，;；|]\s*", value.strip()) if isinstance(value, str) else value


def _first(value: Any) -> Any:
    return value if isinstance(value, str) or not hasattr(value, "__len__") else value[0] if len(value) else None


def _ids(values: Any, kind: Any) -> list[Any]:
    read = read_labels(list(values), kind)
    return [read.names[k] if k >= 0 else None for k in read.primary]


# ---------------------------------------------------------------- figures


def _risk_figures(risk: Any, tags: pd.DataFrame) -> tuple[dict[str, float], pd.DataFrame, NDArray[np.bool_]]:
    true, found = _ids(risk, "risks"), tags["risk"].astype(str).tolist()
    t, f = np.array([_LEVELS.index(level) for level in true]), np.array([_LEVELS.index(level) for level in found])
    top = len(_LEVELS) - 1
    hits, said, are = int(((t == top) & (f == top)).sum()), int((f == top).sum()), int((t == top).sum())
    numbers = {
        "risk QWK": float(cohen_kappa_score(t, f, weights="quadratic")),
        "high recall": hits / max(are, 1),
        "high recall, 95% lower bound": _lower_bound(hits, are),
        "high precision": hits / max(said, 1),
        "false alarms per high found": (said - hits) / max(hits, 1),
        "ECE risk": _calibration_error(tags["risk_p"].to_numpy(), t == f),
    }
    table = pd.DataFrame(confusion_matrix(t, f, labels=range(top + 1)), index=_LEVELS, columns=_LEVELS)
    return numbers, table, t == f


def _lower_bound(hits: int, total: int, confidence: float = 0.95) -> float:
    """One-sided bound of a share (Clopper and Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(1 - confidence, hits, total - hits + 1)) if hits else 0.0


def _calibration_error(probability: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017)."""
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs(probability[bin_of == b].sum() - right[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / max(len(right), 1))


def _coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> pd.DataFrame:
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    shares = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    rows = [max(round(share * len(order)) - 1, 0) for share in shares]
    return pd.DataFrame({"all right": accuracy[rows]}, index=pd.Index(shares, name="share kept"))


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown; numbers with three digits behind the point."""
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
