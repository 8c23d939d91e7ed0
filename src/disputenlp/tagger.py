"""The tagger: notes in, tags out. :class:`DisputeTagger` joins vectorizer, heads and evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils.validation import check_is_fitted

from disputenlp.archive import corpus, find_text_column
from disputenlp.cleaning import as_text, as_texts, slices
from disputenlp.decision import KINDS, Batch, explanation, label_lists, tag_frame
from disputenlp.explain import Explanation
from disputenlp.features import NoteVectorizer
from disputenlp.heads import LabelHead, OrdinalHead
from disputenlp.headset import Decisions, HeadSet
from disputenlp.latent import Latent, latent_vectors
from disputenlp.model_file import read_model, write_model
from disputenlp.taxonomy import NONE, read_labels
from disputenlp.taxonomy import labels as taxonomy_labels
from disputenlp.word_vectors import WordVectors, bundled_word_vectors

__all__ = ["DisputeTagger"]

# So many notes teach vectors that are as good as those of the library's corpus.
_NOTES_THAT_TEACH = 20_000


class DisputeTagger(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Tag notes with categories and, where trained, risk and status.

    Parameters
    ----------
    vectorizer : NoteVectorizer, default=None
        Features; ``None`` takes the defaults.
    C, class_weight, n_folds, n_jobs, random_state
        As in :class:`~disputenlp.heads.LabelHead`.
    n_latent : int, default=64
        Length of the vectors through which what is learned of one word counts for its kin, see :mod:`disputenlp.latent`; 0 for none.
    word_vectors : {"auto", None} or WordVectors, default="auto"
        Vectors of words from more notes than the labelled ones, see :mod:`disputenlp.word_vectors`. ``"auto"`` takes those of the library's corpus
        with fewer than 20,000 notes; more of them, and with ``None`` any number, are their own teachers.
    miss_rate : float, default=0.03
        Share of notes of the highest risk that may be missed, see :class:`~disputenlp.heads.OrdinalHead`.

    Attributes
    ----------
    classes_ : ndarray
        Category labels as they were given to ``fit``, in the order of the columns of ``predict_proba``.
    vectorizer_ : NoteVectorizer
    heads_ : HeadSet

    Examples
    --------
    >>> notes = ["楼上漏水泡了天花板", "楼上半夜拖椅子太吵", "老板拖欠三个月工资", "工地欠薪一直不给"] * 5
    >>> tagger = DisputeTagger().fit(notes, categories=["邻里", "邻里", "欠薪", "欠薪"] * 5)
    >>> tagger.predict_categories(["厂里拖欠我的工资"])
    [['欠薪']]
    """

    def __init__(
        self,
        vectorizer: NoteVectorizer | None = None,
        *,
        C: float | tuple[float, ...] = (0.1, 0.3, 1.0, 3.0),
        class_weight: str | float | None = 0.5,
        n_latent: int = 64,
        word_vectors: str | WordVectors | None = "auto",
        miss_rate: float = 0.03,
        n_folds: int = 5,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.vectorizer = vectorizer
        self.C = C
        self.class_weight = class_weight
        self.n_latent = n_latent
        self.word_vectors = word_vectors
        self.miss_rate = miss_rate
        self.n_folds = n_folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    # ------------------------------------------------------------ learning

    def fit(
        self,
        texts: Any,
        categories: Any,
        risk: Any = None,
        status: Any = None,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        base: str | None = None,
    ) -> Self:
        """Learn from labelled notes.

        Parameters
        ----------
        texts : list, Series or array of str, length n_notes
        categories : list, Series, array or DataFrame
            One label a note, or a list of labels a note (primary first), or a table of zeros and ones; any names of one's own.
        risk : sequence, default=None
            One level a note: ids or names of the library's risk levels, numbers, or an ordered Categorical.
        status : sequence, default=None
            One status a note; asked of notes with a dispute only.
        groups : array, shape (n_notes,), default=None
            Who wrote a note, or which document it is from: calibration then is on groups that were not trained on.
        sample_weight : array of float, shape (n_notes,), default=None
        base : {None, "bundled"}, default=None
            ``"bundled"`` adds the library's own corpus to the notes; the labels must then be the library's.

        Raises
        ------
        ValueError
            If lengths differ, a label is unknown or there are fewer than two labels.
        """
        notes = [as_text(value) or "" for value in _values(texts)]
        labelled = {"categories": categories, "risk": risk, "status": status}
        labelled = {name: values for name, values in labelled.items() if values is not None}
        for name, values in {**labelled, "groups": groups, "sample_weight": sample_weight}.items():
            if values is not None and (length := np.shape(values)[0] if hasattr(values, "shape") else len(values)) != len(notes):
                raise ValueError(f"{name} has {length} rows, but there are {len(notes)} texts")
        if base is not None:
            notes, labelled, groups, sample_weight = _with_corpus(base, notes, labelled, groups, sample_weight)
        vectorizer = NoteVectorizer() if self.vectorizer is None else self.vectorizer
        self.vectorizer_ = clone(vectorizer)
        known = self._word_vectors(len(notes))
        X = self.vectorizer_.fit_transform(notes, words=known.words if known else ())
        # From all notes at once: that the words of a held-out note were seen, without its labels, changes its values by next to nothing.
        vocabulary = self.vectorizer_.vocabulary_
        latent = known.latent(vocabulary, X.shape[1]) if known else Latent(latent_vectors(X, self.n_latent, self.random_state))
        self._fit_heads(X, latent, labelled, groups, sample_weight)
        return self

    def _word_vectors(self, n_notes: int) -> WordVectors | None:
        if not self.n_latent or self.word_vectors is None:
            return None
        if isinstance(self.word_vectors, str):
            if self.word_vectors != "auto":
                raise ValueError(f"word_vectors is {self.word_vectors!r}, but must be 'auto', None or what learn_word_vectors gave")
            return bundled_word_vectors() if n_notes < _NOTES_THAT_TEACH else None
        return self.word_vectors

    def _fit_heads(
        self, X: Any, latent: Latent, labelled: dict[str, Any], groups: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> None:
        shared = {name: getattr(self, name) for name in ("C", "class_weight", "n_folds", "n_jobs", "random_state")}
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
        group = None if groups is None else np.asarray(groups)
        read = read_labels(labelled["categories"], "categories")
        self.table_ = getattr(labelled["categories"], "ndim", 1) == 2
        names, target = (
            {"categories": read.names},
            read.primary if read.single and not self.table_ else read.indicator,
        )
        exclusive = read.names.index(NONE) if NONE in read.names else None
        head = LabelHead(exclusive=exclusive if target.ndim == 2 else None, **shared)
        heads: dict[str, Any] = {"categories": head.fit(X, target.astype(np.int64), weight, group, latent)}
        self.classes_ = np.array(read.given)
        if target.ndim == 2 and not self.table_ and read.first_matters(labelled["categories"]):
            heads["primary"] = LabelHead(**shared).fit(X, read.primary, weight, group, latent)
            names["primary"] = [read.names[k] for k in heads["primary"].classes_]
        level, rows = None, np.arange(len(read.primary))
        if "risk" in labelled:
            levels = read_labels(labelled["risk"], "risks")
            level = _complete(levels.primary, "risk")
            names["risk"] = levels.names
            heads["risk"] = OrdinalHead(miss_rate=self.miss_rate, **shared).fit(X, level, weight, group, latent)
        if "status" in labelled:
            statuses = read_labels(labelled["status"], "statuses")
            asked = _complete(statuses.primary, "status")
            names["status"] = [name for name in statuses.names if name != NONE]
            rows = np.flatnonzero(np.array(statuses.names)[asked] != NONE)
            target = np.array([names["status"].index(statuses.names[index]) for index in asked[rows]])
            part = None if weight is None else weight[rows], None if group is None else group[rows]
            heads["status"] = LabelHead(**shared).fit(X[rows], target, *part, latent)
        self.heads_ = HeadSet(heads, names)
        self.heads_.calibrate(read.indicator, read.primary, level, rows)

    # ------------------------------------------------------------ predicting

    def tag(self, notes: Any, *, text: str | None = None, labels: str = "zh", evidence: bool = True) -> pd.DataFrame:
        """Tags of notes.

        Parameters
        ----------
        notes : list, Series or DataFrame
            Cells that hold no text are tagged as no dispute and marked for review.
        text : str, default=None
            For a DataFrame, the column of the notes; ``None`` looks for it.
        labels : {"zh", "id"}, default="zh"
            Chinese names or ids.
        evidence : bool, default=True
            Whether to give the spans that carried the decision.

        Returns
        -------
        DataFrame
            One row a note, with the index of the input: ``category``, ``categories``, ``category_p``; where trained ``risk``, ``risk_p``,
            ``high_risk_p`` and ``status``; ``needs_review`` and ``evidence``.

        Raises
        ------
        ValueError
            If a DataFrame has no column of notes, or more than one that could be it.
        """
        check_is_fitted(self, "heads_")
        if labels not in ("zh", "id"):
            raise ValueError(f"labels is {labels!r}, but must be 'zh' or 'id'")
        column, index = _column(notes, text)
        parts = [tag_frame(batch, self.vectorizer_, self.heads_, labels, evidence) for batch in self._batches(column)]
        out = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        out.index = index
        return out

    def predict(self, texts: Any) -> NDArray[Any]:
        """Labels as scikit-learn has them: shape (n_notes,) for one label a note, else an indicator of shape (n_notes, n_labels)."""
        check_is_fitted(self, "heads_")
        chosen = self._collect(texts, lambda found: found.chosen).astype(np.int64)
        if self.heads_.heads["categories"].multilabel_:
            return chosen
        return np.asarray(self.classes_[chosen.argmax(axis=1)])

    def predict_categories(self, texts: Any) -> list[list[str]]:
        """Category labels of each note, the likeliest first; an empty list where no label was given."""
        check_is_fitted(self, "heads_")
        return [row for batch in self._batches(_column(texts, None)[0]) for row in label_lists(batch.found, self.classes_)]

    def predict_proba(self, texts: Any, *, of: str = "categories") -> pd.DataFrame:
        """Calibrated probabilities, a column a label; ``of`` is ``"categories"``, ``"risk"`` or ``"status"``."""
        check_is_fitted(self, "heads_")
        if of not in self.heads_.heads:
            raise ValueError(f"of is {of!r}, but this tagger was trained for {sorted(self.heads_.heads)}")
        names = self.classes_ if of == "categories" else self.heads_.names[of]
        found = self._collect(texts, lambda found: found.probabilities[of])
        return pd.DataFrame(found, columns=pd.Index(names, name=of), index=_column(texts, None)[1])

    def score(self, texts: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy for one label a note, micro-averaged F1 for several."""
        right = read_labels(y, "categories", None if self.table_ else self.heads_.names["categories"])
        found = self._collect(texts, lambda found: found.chosen)
        if self.heads_.heads["categories"].multilabel_:
            return float(f1_score(right.indicator, found, average="micro", zero_division=0.0, sample_weight=sample_weight))
        return float(accuracy_score(right.primary, found.argmax(axis=1), sample_weight=sample_weight))

    def explain(self, note: Any, *, labels: str = "zh") -> Explanation:
        """Why one note gets its tags: an object that shows itself in notebooks and terminals, with ``spans``, ``tags`` and ``reasons``.

        >>> from disputenlp import load
        >>> print(load().explain("楼上漏水泡了我家天花板，找了三回都不开门"))
        邻里相邻 ...
        """
        check_is_fitted(self, "heads_")
        return explanation(next(self._batches([note])), self.vectorizer_, self.heads_, labels)

    # ------------------------------------------------------------ keeping

    def describe(self) -> pd.DataFrame:
        """Every choice that was made in fitting: a row an output; settings that hold for all are in ``.attrs``."""
        check_is_fitted(self, "heads_")
        rows = []
        for name, head in self.heads_.heads.items():
            thresholds = head.thresholds_
            labels = self.heads_.names[name][-len(thresholds) :]
            rows += [
                {
                    "head": name,
                    "label": label,
                    "C": head.C_,
                    "latent_weight": head.latent_weight_,
                    "threshold": threshold,
                    "slope": slope,
                    "offset": offset,
                }
                for label, threshold, (slope, offset) in zip(labels, thresholds, head.calibration_, strict=True)
            ]
        out = pd.DataFrame(rows).set_index(["head", "label"])
        head, vectorizer = self.heads_.heads["categories"], self.vectorizer_
        out.attrs = {
            "several labels a note": head.multilabel_,
            "at least one label": head.at_least_one_,
            "exclusive label": None if self.heads_.none is None else self.heads_.names["categories"][self.heads_.none],
            "class_weight": self.class_weight,
            "unsure below": self.heads_.unsure_below,
            "features": dict(
                zip(
                    ("words", "word_pairs", "chars", "cues"),
                    np.diff(vectorizer.block_starts_).tolist(),
                    strict=True,
                )
            ),
            "vectorizer": {k: v for k, v in vectorizer.get_params().items() if k not in ("cues", "user_dict")},
        }
        return out

    def save(self, path: str | PathLike[str]) -> None:
        """Write the tagger to one file, see :mod:`disputenlp.model_file`."""
        check_is_fitted(self, "heads_")
        meta, arrays = self.vectorizer_.state()
        heads, head_arrays = self.heads_.state()
        settings = {key: value for key, value in self.get_params(deep=False).items() if key != "vectorizer"}
        if isinstance(self.word_vectors, WordVectors):
            # They are in the coefficients; the vectors themselves, which only another fit would need, would make the file many times as large.
            del settings["word_vectors"]
        write_model(
            path,
            {"vectorizer": meta, "heads": heads, "settings": settings, "table": self.table_, "classes": self.classes_.tolist()},
            {**arrays, **head_arrays},
        )

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Open a tagger that :meth:`save` wrote; :func:`disputenlp.load` does the same, and opens the bundled one too."""
        meta, arrays = read_model(path)
        settings: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in meta["settings"].items()}
        tagger = cls(**settings)
        tagger.vectorizer_ = NoteVectorizer.from_state(meta["vectorizer"], arrays)
        tagger.vectorizer = NoteVectorizer(**tagger.vectorizer_.get_params(deep=False))
        tagger.heads_ = HeadSet.from_state(meta["heads"], arrays)
        tagger.table_ = meta["table"]
        tagger.classes_ = np.array(meta["classes"])
        return tagger

    # ------------------------------------------------------------ the way of a batch

    def _batches(self, cells: list[Any]) -> Iterator[Batch]:
        texts = as_texts(cells)
        for part in slices(texts):
            yield self._run(cells[part], texts[part])

    def _run(self, cells: list[Any], texts: list[str]) -> Batch:
        reading = self.vectorizer_.read(texts)
        parts = self.vectorizer_.columns(reading)
        X, scale = self.vectorizer_.rows(reading, parts)
        return Batch(cells, texts, reading, parts, scale, self.heads_.decide(self.heads_.values(X)))

    def _collect(self, texts: Any, part: Callable[[Decisions], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([part(batch.found) for batch in self._batches(_column(texts, None)[0])])


def _values(notes: Any) -> list[Any]:
    """Cells of a list, Series or array."""
    if isinstance(notes, str | bytes):
        raise ValueError("expected a list, Series or DataFrame of notes, got a single text; put it in a list")
    return notes.tolist() if isinstance(notes, np.ndarray | pd.Series) else list(notes)


def _column(notes: Any, text: str | None) -> tuple[list[Any], pd.Index[Any]]:
    """Cells and index of the notes."""
    if isinstance(notes, pd.DataFrame):
        name = find_text_column(notes, text)
        return notes[name].tolist(), notes.index
    cells = _values(notes)
    return cells, notes.index if isinstance(notes, pd.Series) else pd.RangeIndex(len(cells))


def _with_corpus(
    base: str,
    notes: list[str],
    labelled: dict[str, Any],
    groups: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> tuple[list[str], dict[str, Any], list[Any] | None, NDArray[np.float64] | None]:
    """Notes and labels with the library's corpus before them."""
    if base != "bundled":
        raise ValueError(f"base is {base!r}, but must be None or 'bundled'")
    own = corpus()
    missing = {"categories", "risk", "status"} - set(labelled)
    if missing:
        raise ValueError(f"base='bundled' needs all three labels of each note; {sorted(missing)} is missing")
    joined: dict[str, Any] = {}
    for name, values in labelled.items():
        names = [label.id for label in taxonomy_labels(KINDS[name])]
        given = read_labels(values, KINDS[name], None if name == "categories" else names)
        if unknown := set(given.names) - set(names):
            raise ValueError(f"base='bundled' needs the library's labels; {name} has {sorted(unknown)}")
        rows = [[given.names[k] for k in np.flatnonzero(row)] for row in given.indicator]
        rows = [sorted(row, key=lambda label: label != given.names[first]) for row, first in zip(rows, given.primary, strict=True)]
        joined[name] = own[name].tolist() + (rows if name == "categories" else [row[0] if row else NONE for row in rows])
    all_groups = own["voice"].tolist() + ([f"own {n}" for n in range(len(notes))] if groups is None else list(np.asarray(groups)))
    weight = None if sample_weight is None else np.concatenate((np.ones(len(own)), np.asarray(sample_weight, dtype=float)))
    return own["text"].tolist() + notes, joined, all_groups, weight


def _complete(column: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    missing = np.flatnonzero(column < 0)
    if len(missing):
        raise ValueError(f"{name} has no value in row {missing[0]} (and {len(missing) - 1} more); give every note one")
    return column
