"""Ours and the usual baselines on public sets: ``python benchmarks/accuracy.py [folder]``.

Protocol and folds as in the folder's README; skips a set that is not there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rjieba
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
}


def wrap(many: bool, vectorizer: Any, machine: Any) -> Any:
    return make_pipeline(vectorizer, OneVsRestClassifier(machine) if many else machine)


def score(many: bool, truth: np.ndarray, found: np.ndarray) -> float:
    """Accuracy, or for several labels the mean of micro-F1 and of macro-F1 over all labels; one that is not in a fold counts as zero there."""
    if not many:
        return float(np.mean(truth == found))
    return float(np.mean([f1_score(truth, found, average=kind, zero_division=0) for kind in ("micro", "macro")]))


def main() -> None:
    print("| set | model | score | fit, s | notes/s |\n| --- | --- | --- | --- | --- |")
    for name in ("cail2019-divorce", "cail2019-labor", "lawbench-2-4"):
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            print(f"| {name} | skipped: {path} is not there | | | |")
            continue
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        texts, many = np.array([row["text"] for row in rows], dtype=object), "labels" in rows[0]
        if many:
            labels = sorted({label for row in rows for label in row["labels"]})
            y = np.array([[int(label in row["labels"]) for label in labels] for row in rows])
            folds = list(GroupKFold(5).split(texts, groups=[row["doc"] for row in rows]))
        else:
            y = np.array([row["label"] for row in rows])
            folds = list(StratifiedKFold(10, shuffle=True, random_state=0).split(texts, y))
        for peer, make in PEERS.items():
            scores, fit, predict = [], 0.0, 0.0
            for train, test in folds:
                start = time.perf_counter()
                model = make(many).fit(texts[train], y[train])
                middle = time.perf_counter()
                scores.append(score(many, y[test], model.predict(texts[test])))
                fit, predict = fit + middle - start, predict + time.perf_counter() - middle
            print(f"| {name} | {peer} | {np.mean(scores):.3f} | {fit / len(folds):.1f} | {len(rows) / predict:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
