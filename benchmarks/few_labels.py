"""What a few labelled notes of one's own are worth: ``python benchmarks/few_labels.py``.

Trained on some notes of the corpus, measured on voices that were not trained on. The word vectors are learned from the texts of the other voices only, as
those that come with the library know the texts that are measured on.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import rjieba
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import disputenlp as dn
from disputenlp.evaluation import markdown

SIZES, REPEATS, MEASURED = (100, 300, 1_000, 4_000), 3, 5_000


def table() -> pd.DataFrame:
    """Mean accuracy of the primary category, a row a model."""
    notes = dn.corpus().assign(label=lambda frame: frame["categories"].str[0])
    known, new = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(notes, groups=notes["voice"]))
    vectors = dn.learn_word_vectors(notes["text"].iloc[known])
    test = notes.iloc[new].sample(MEASURED, random_state=0)
    models = {
        "disputenlp": lambda: dn.DisputeTagger(word_vectors=vectors, n_jobs=2),
        "disputenlp, word_vectors=None": lambda: dn.DisputeTagger(word_vectors=None, n_jobs=2),
        "words + LinearSVC": lambda: make_pipeline(
            TfidfVectorizer(tokenizer=rjieba.Jieba().cut, token_pattern=None, sublinear_tf=True), LinearSVC()
        ),
    }
    right: dict[str, dict[str, str]] = {name: {} for name in models}
    for size in SIZES:
        draws = [notes.iloc[known].sample(size, random_state=seed) for seed in range(REPEATS)]
        for name, make in models.items():
            scores = [np.mean(make().fit(some["text"], some["label"]).predict(test["text"]) == test["label"]) for some in draws]
            right[name][f"{size:,} notes"] = f"{np.mean(scores):.3f}"
            print(name, size, right[name][f"{size:,} notes"], file=sys.stderr, flush=True)
    return pd.DataFrame(right).T


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    print(markdown(table().rename_axis("labelled").reset_index()))
