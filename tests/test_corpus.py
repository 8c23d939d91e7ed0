"""The corpus: sound labels, no templates."""

from collections import Counter, defaultdict
from itertools import combinations

import pandas as pd

from disputenlp.taxonomy import labels


def test_labels_are_those_of_the_guide(notes: pd.DataFrame) -> None:
    assert set(notes["categories"].explode()) == {label.id for label in labels("categories")}
    assert set(notes["risk"]) == {label.id for label in labels("risks")}
    none = notes["categories"].map(lambda row: row == ["none"])
    assert (none == (notes["risk"] == "none")).all()
    assert (none == (notes["status"] == "none")).all()
    assert not notes.loc[~none, "categories"].map(lambda row: "none" in row).any()
    assert notes["id"].is_unique
    assert notes["text"].str.len().between(6, 650).all()


def test_there_is_enough_of_everything(notes: pd.DataFrame) -> None:
    assert len(notes) >= 5000
    counts = notes["categories"].explode().value_counts()
    assert counts.min() >= 180, counts
    assert counts["none"] >= 1700
    risks = notes["risk"].value_counts()
    assert risks["high"] >= 900
    assert risks["medium"] >= 1200
    assert (notes["categories"].str.len() > 1).sum() >= 700
    assert notes["voice"].nunique() >= 40


def test_no_opening_is_a_habit(notes: pd.DataFrame) -> None:
    opening, count = Counter(notes["text"].str[:6]).most_common(1)[0]
    assert count <= 0.005 * len(notes), opening


def test_no_two_notes_are_alike(notes: pd.DataFrame) -> None:
    grams = [{text[i : i + 3] for i in range(len(text) - 2)} for text in notes["text"]]
    rows_of = defaultdict(list)
    for row, found in enumerate(grams):
        for gram in found:
            rows_of[gram].append(row)
    # Pairs as alike as this share many rare grams, so common ones need not be looked at.
    shared = Counter(pair for rows in rows_of.values() if len(rows) <= 25 for pair in combinations(rows, 2))
    for (one, other), count in shared.items():
        if count >= 3:
            both = len(grams[one] & grams[other])
            assert both / len(grams[one] | grams[other]) < 0.5, (notes["text"][one], notes["text"][other])
