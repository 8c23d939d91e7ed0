"""Ours and the usual baselines on public sets: ``python benchmarks/accuracy.py [folder]``.

Protocol and folds as in the folder's README; skips a set that is not there.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import rjieba
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

import disputenlp as dn

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data" / "public"
cut = rjieba.Jieba().cut


def words(ngrams: tuple[int, int] = (1, 1)) -> TfidfVectorizer:
    return TfidfVectorizer(tokenizer=cut, token_pattern=None, ngram_range=ngrams, sublinear_tf=True)


class NbSvm(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Features times their log-count ratios, then a linear machine (Wang and Manning 2012, without their interpolation), for one label."""

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        self.classes_ = np.unique(y)
        here = y == self.classes_[-1]
        p, q = (np.asarray((X[rows] > 0).sum(axis=0)).ravel() + 1 for rows in (here, ~here))
        self.ratio_ = np.log((p / p.sum()) / (q / q.sum()))
        self.machine_ = LinearSVC(class_weight="balanced").fit(X.multiply(self.ratio_).tocsr(), y)
        return self

    def decision_function(self, X):  # type: ignore[no-untyped-def]
        return self.machine_.decision_function(X.multiply(self.ratio_).tocsr())

    def predict(self, X):  # type: ignore[no-untyped-def]
        return self.machine_.predict(X.multiply(self.ratio_).tocsr())


class FastText:
    """fastText on jieba words with pairs and subwords; one machine a label where there are several."""

    def __init__(self, many: bool, epochs: int = 50) -> None:
        self.many, self.epochs = many, epochs

    def fit(self, texts, y):  # type: ignore[no-untyped-def]
        import fasttext

        with NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            for text, row in zip(texts, y, strict=True):
                labels = np.flatnonzero(row) if self.many else [row]
                file.write(" ".join([*(f"__label__{label}" for label in labels), *cut(text.replace("\n", " "))]) + "\n")
            file.flush()
            loss = "ova" if self.many else "softmax"
            self.model = fasttext.train_supervised(
                file.name, loss=loss, wordNgrams=2, minn=1, maxn=3, epoch=self.epochs, lr=0.5, thread=2, verbose=0
            )
        self.width = np.shape(y)[1] if self.many else 0
        return self

    def predict(self, texts):  # type: ignore[no-untyped-def]
        lines = [" ".join(cut(text.replace("\n", " "))) for text in texts]
        found = [self.model.f.predict(f"{line}\n", -1 if self.many else 1, 0.5 if self.many else 0.0, "strict") for line in lines]
        names = [[label.removeprefix("__label__") for _, label in row] for row in found]
        if not self.many:
            return np.array([row[0] if row else "" for row in names])
        out = np.zeros((len(names), self.width), dtype=int)
        for number, row in enumerate(names):
            out[number, [int(label) for label in row]] = 1
        return out


class Spacy:
    """spaCy's text categorizer on jieba words, trained from nothing: linear on words and pairs, or with word vectors and windows besides."""

    def __init__(self, many: bool, ensemble: bool) -> None:
        self.many, self.ensemble = many, ensemble

    def fit(self, texts, y):  # type: ignore[no-untyped-def]
        import spacy
        from spacy.training import Example
        from spacy.util import minibatch

        spacy.util.fix_random_seed(0)
        self.labels = [str(label) for label in (range(np.shape(y)[1]) if self.many else np.unique(y))]
        self.nlp = spacy.blank("zh", config={"nlp": {"tokenizer": {"segmenter": "jieba"}}})
        bow = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": not self.many, "ngram_size": 2, "no_output_layer": False}
        tok2vec = {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 64,
                "rows": [5000, 2500],
                "attrs": ["ORTH", "SHAPE"],
                "include_static_vectors": False,
            },
            "encode": {
                "@architectures": "spacy.MaxoutWindowEncoder.v2",
                "width": 64,
                "window_size": 1,
                "maxout_pieces": 3,
                "depth": 2,
            },
        }
        both = {"@architectures": "spacy.TextCatEnsemble.v2", "linear_model": bow, "tok2vec": tok2vec}
        name = "textcat_multilabel" if self.many else "textcat"
        pipe = self.nlp.add_pipe(name, config={"model": both if self.ensemble else bow})
        for label in self.labels:
            pipe.add_label(label)
        given = [set(map(str, np.flatnonzero(row))) if self.many else {str(row)} for row in y]
        examples = [
            Example.from_dict(self.nlp.make_doc(str(text)), {"cats": {label: float(label in row) for label in self.labels}})
            for text, row in zip(texts, given, strict=True)
        ]
        self.nlp.initialize(lambda: examples)
        rng = np.random.default_rng(0)
        for _ in range(10):
            for batch in minibatch([examples[n] for n in rng.permutation(len(examples))], 32):
                self.nlp.update(batch, drop=0.2)
        return self

    def predict(self, texts):  # type: ignore[no-untyped-def]
        scores = [doc.cats for doc in self.nlp.pipe(map(str, texts), batch_size=256)]
        if self.many:
            return np.array([[int(row[label] >= 0.5) for label in self.labels] for row in scores])
        return np.array([max(row, key=row.__getitem__) for row in scores])


def wrap(many: bool, vectorizer: Any, machine: Any) -> Any:
    return make_pipeline(vectorizer, OneVsRestClassifier(machine) if many else machine)


PEERS: dict[str, Callable[[bool], Any]] = {
    "disputenlp": lambda many: dn.DisputeTagger(n_jobs=-1),
    "words + LinearSVC": lambda many: wrap(many, words(), LinearSVC()),
    "the same, balanced": lambda many: wrap(many, words(), LinearSVC(class_weight="balanced")),
    "words 1–2 + characters 1–3": lambda many: wrap(
        many, make_union(words((1, 2)), TfidfVectorizer(analyzer="char", ngram_range=(1, 3))), LinearSVC()
    ),
    "characters 1–4, balanced": lambda many: wrap(
        many, TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True), LinearSVC(class_weight="balanced")
    ),
    "words + ComplementNB": lambda many: wrap(many, words(), ComplementNB()),
    "characters 1–4, NB-SVM": lambda many: make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2), OneVsRestClassifier(NbSvm())
    ),
}
if importlib.util.find_spec("fasttext"):
    PEERS["fastText"] = FastText
if importlib.util.find_spec("spacy"):
    PEERS["spaCy, bag of words"] = lambda many: Spacy(many, ensemble=False)
    PEERS["spaCy, ensemble"] = lambda many: Spacy(many, ensemble=True)


def score(many: bool, truth: np.ndarray, found: np.ndarray) -> float:
    """Accuracy, or for several labels the mean of micro-F1 and of macro-F1 over all labels; one that is not in a fold counts as zero there."""
    if not many:
        return float(np.mean(truth == found))
    return float(np.mean([f1_score(truth, found, average=kind, zero_division=0) for kind in ("micro", "macro")]))


def interval(many: bool, truth: np.ndarray, ours: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Where 95% of the differences of two models lie when the notes are drawn again (paired bootstrap)."""
    rng, rows = np.random.default_rng(0), np.arange(len(truth))
    drawn = [rng.choice(rows, len(rows)) for _ in range(200)]
    gaps = [score(many, truth[pick], ours[pick]) - score(many, truth[pick], other[pick]) for pick in drawn]
    return float(np.quantile(gaps, 0.025)), float(np.quantile(gaps, 0.975))


def folds_of(path: Path) -> tuple[np.ndarray, np.ndarray, bool, list[Any]]:
    """Texts, labels, whether there are several a text, and the folds of the protocol."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts, many = np.array([row["text"] for row in rows], dtype=object), "labels" in rows[0]
    if not many:
        y = np.array([row["label"] for row in rows])
        return texts, y, many, list(StratifiedKFold(10, shuffle=True, random_state=0).split(texts, y))
    labels = sorted({label for row in rows for label in row["labels"]})
    y = np.array([[int(label in row["labels"]) for label in labels] for row in rows])
    return texts, y, many, list(GroupKFold(5).split(texts, groups=[row["doc"] for row in rows]))


def main() -> None:
    warnings.simplefilter("ignore")
    print("| set | model | score | fit, s | notes/s |\n| --- | --- | --- | --- | --- |")
    notes = []
    for name in ("cail2019-divorce", "cail2019-labor", "lawbench-2-4"):
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            print(f"| {name} | skipped: {path} is not there | | | |")
            continue
        texts, y, many, folds = folds_of(path)
        found, scores = {}, {}
        for peer, make in PEERS.items():
            found[peer], each, fit, predict = np.zeros_like(y), [], 0.0, 0.0
            for train, test in folds:
                start = time.perf_counter()
                model = make(many).fit(texts[train], y[train])
                middle = time.perf_counter()
                found[peer][test] = model.predict(texts[test])
                fit, predict = fit + middle - start, predict + time.perf_counter() - middle
                each.append(score(many, y[test], found[peer][test]))
            scores[peer] = float(np.mean(each))
            print(f"| {name} | {peer} | {scores[peer]:.3f} | {fit / len(folds):.1f} | {len(texts) / predict:,.0f} |", flush=True)
        best = max((peer for peer in PEERS if peer != "disputenlp"), key=scores.__getitem__)
        low, high = interval(many, y, found["disputenlp"], found[best])
        notes.append(
            f"{name}: disputenlp less the best peer ({best}), all folds together: 95% of paired bootstraps from {low:+.3f} to {high:+.3f}"
        )
    print("\n" + "\n".join(f"- {note}" for note in notes))


if __name__ == "__main__":
    main()
