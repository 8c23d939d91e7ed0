"""Notes per second against peers, in one run on one machine: ``python benchmarks/throughput.py``.

Every figure is the median of five runs in one process; what counts is the ratio.
"""

from __future__ import annotations

import importlib.util
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import jieba
import numpy as np
import rjieba
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

import disputenlp as dn
from accuracy import FastText
from disputenlp.cleaning import clean_batch
from disputenlp.cues import neutralize
from disputenlp.privacy import mask_batch

RUNS, NOTES, BATCH = 5, 4096, 1024


def notes_of(length: int) -> list[str]:
    """Notes of about this length, put together from the corpus."""
    texts, rng = dn.corpus()["text"].tolist(), np.random.default_rng(0)
    out = []
    while len(out) < NOTES:
        note = ""
        while len(note) < length:
            note += texts[rng.integers(len(texts))]
        out.append(note[: length + 10])
    return out


def seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    notes = notes_of(155)
    corpus = dn.corpus()
    labels = corpus["categories"].str[0]
    cut = rjieba.Jieba().cut
    peers = {
        "(a) TfidfVectorizer(jieba.lcut) + LinearSVC": make_pipeline(
            TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None), LinearSVC()
        ),
        "(b) the same with rjieba": make_pipeline(TfidfVectorizer(tokenizer=cut, token_pattern=None), LinearSVC()),
        "(c) words + characters, rjieba": make_pipeline(
            make_union(
                TfidfVectorizer(tokenizer=cut, token_pattern=None, ngram_range=(1, 2)), TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
            ),
            LinearSVC(),
        ),
    }
    tagger = dn.load()
    ours = seconds(lambda: tagger.tag(notes, evidence=False))
    shown = seconds(lambda: tagger.tag(notes))
    raw = seconds(lambda: [cut(note) for note in notes])
    rows = [("disputenlp, evidence off", ours), ("disputenlp, evidence on", shown), ("(e) raw rjieba.cut alone", raw)]
    for name, model in peers.items():
        model.fit(corpus["text"], labels)
        rows.append((name, seconds(lambda model=model: model.predict(notes))))  # type: ignore[misc]
    if importlib.util.find_spec("fasttext"):
        fast = FastText(many=False, epochs=5).fit(corpus["text"], labels)
        rows.append(("(d) fastText on rjieba words", seconds(lambda: fast.predict(notes))))
    print(f"{NOTES} notes of {np.mean([len(note) for note in notes]):.0f} characters, one process\n")
    print("| what | notes/s | ours is faster by |\n| --- | --- | --- |")
    for name, spent in rows:
        print(f"| {name} | {NOTES / spent:,.0f} | {spent / ours:.2f} |")
    steps(tagger, notes)
    once = seconds(lambda: [tagger.tag([note]) for note in notes[:50]]) / 50
    print(f"\none note: {1000 * once:.1f} ms warm")
    for code, what in (
        ("import disputenlp", "import disputenlp"),
        ("import disputenlp as dn; dn.load().tag(['楼上漏水吵起来了'])", "first tag in a fresh process"),
    ):
        print(f"{what}: {seconds(lambda code=code: subprocess.run([sys.executable, '-c', code], check=True)):.2f} s")  # type: ignore[misc]


def steps(tagger: dn.DisputeTagger, notes: list[str]) -> None:
    """Time by stage."""
    vectorizer, heads = tagger.vectorizer_, tagger.heads_
    parts = [notes[i : i + BATCH] for i in range(0, len(notes), BATCH)]
    clean = [clean_batch(part) for part in parts]
    masked = [mask_batch(part) for part in clean]
    neutral = [neutralize(part) for part in masked]
    readings = [vectorizer.read(part) for part in parts]
    columns = [vectorizer.columns(reading) for reading in readings]
    rows = [vectorizer.rows(reading, parts)[0] for reading, parts in zip(readings, columns, strict=True)]
    values = [heads.values(X) for X in rows]
    stages: dict[str, Callable[[], object]] = {
        "clean": lambda: [clean_batch(part) for part in parts],
        "mask": lambda: [mask_batch(part) for part in clean],
        "neutralize": lambda: [neutralize(part) for part in masked],
        "tokenize": lambda: [vectorizer._tokenizer.tokenize_batch(part) for part in neutral],
        "cues": lambda: [vectorizer._lexicon.match(reading.tokens.codes, reading.hashes) for reading in readings],
        "columns": lambda: [vectorizer.columns(reading) for reading in readings],
        "rows": lambda: [vectorizer.rows(reading, parts) for reading, parts in zip(readings, columns, strict=True)],
        "product": lambda: [heads.values(X) for X in rows],
        "decide": lambda: [heads.decide(value) for value in values],
    }
    print("\n| stage | µs a note |\n| --- | --- |")
    for name, work in stages.items():
        print(f"| {name} | {1e6 * seconds(work) / len(notes):.1f} |")


if __name__ == "__main__":
    main()
