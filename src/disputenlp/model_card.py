"""The figures of the model card: how the bundled way of training does on voices that it has not seen, and what each part of it brings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import ArchiveError, corpus
from disputenlp.behaviour import behaviour_table, read_cases, run_behaviour
from disputenlp.evaluation import compare_tags, cross_validate, evaluate, labelled_columns, markdown, read_labelled
from disputenlp.features import NoteVectorizer
from disputenlp.models import load, untrained

__all__ = ["evaluate_corpus", "update_block"]


def evaluate_corpus(*, card: Path | None = None, dev: Path | None = None, behaviour: Path | None = None, full: bool = False) -> str:
    """Measure the bundled way of training on unseen voices of the corpus and, if given, on a second file; write the figures to a model card.

    Returns
    -------
    str
        The figures as Markdown.
    """
    parts: list[str] = []
    for part in _parts(dev, behaviour, full):
        parts.append(part)
        if card is not None:
            # What is there stays, should the rest be interrupted.
            update_block(card, "figures", "\n\n".join(parts))
    return "\n\n".join(parts)


def _parts(dev: Path | None, behaviour: Path | None, full: bool) -> Iterator[str]:
    # What can be wrong with the files is told before the long part.
    cases = read_cases(behaviour) if behaviour is not None else None
    second = read_labelled(dev) if dev is not None and dev.exists() else None
    notes = corpus()
    tags = cross_validate(notes)
    yield compare_tags(notes, tags, title=f"unseen voices of the corpus ({len(notes)} notes, 5 folds by voice)").to_markdown()
    yield _by_trait(notes, tags)
    if dev is not None:
        if second is None:
            yield f"{dev.name} was not there to measure on."
        else:
            tagger = untrained().fit(notes["text"], **labelled_columns(notes), groups=notes["voice"])
            yield evaluate(tagger, second, title=f"{dev.name} (never trained on)").to_markdown()
    if cases is not None:
        yield behaviour_table(run_behaviour(load(), cases))
    if full:
        yield _learning_curve(notes, tags)
        yield _ablation(notes)


def update_block(path: Path, name: str, text: str) -> None:
    """Put text between the marks ``<!-- name:begin -->`` and ``<!-- name:end -->`` of a file."""
    page = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if end not in page.partition(begin)[2]:
        raise ArchiveError(f"{path}: has no block {begin} … {end} to write the figures to")
    head, tail = page.split(begin, 1)[0], page.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def _by_trait(notes: pd.DataFrame, tags: pd.DataFrame) -> str:
    """What is right in the notes that were written to test something, and in those that were not."""
    right = pd.DataFrame({"category": notes["categories"].str[0] == tags["category"], "risk": notes["risk"] == tags["risk"].astype(str)})
    traits = notes["traits"].map(lambda given: list(given) or ["none of these"])
    by_trait = right.assign(trait=traits).explode("trait").groupby("trait")
    table = by_trait.mean().assign(notes=by_trait.size())
    return markdown(table.sort_values("notes").astype({"notes": str}).rename_axis("written to test").reset_index())


# Enough to see what a part brings, and few enough for ten trainings.
_ABLATION_NOTES = 16_000
_SHORT = ("primary accuracy", "primary macro-F1", "multi-label micro-F1", "risk QWK", "high recall", "high precision", "status accuracy")


def _learning_curve(notes: pd.DataFrame, tags: pd.DataFrame) -> str:
    sizes = (250, 500, 1000, 2000, 4000, 8000, 16000)
    rows = {str(size): compare_tags(notes, cross_validate(notes, size=size)).numbers for size in sizes if size < len(notes)}
    rows["all"] = compare_tags(notes, tags).numbers
    return "#### Learning curve (notes to train on)\n\n" + markdown(_short(rows))


def _ablation(notes: pd.DataFrame) -> str:
    without: dict[str, dict[str, Any]] = {
        "all": {},
        "without words": {"word_weight": 0.0},
        "without word pairs": {"word_ngrams": 1},
        "without characters": {"char_weight": 0.0},
        "characters 1–3": {"char_ngrams": (1, 3)},
        "characters 2–4": {"char_ngrams": (2, 4)},
        "without cues": {"cue_weight": 0.0},
        "cues without scope": {"scope": False},
        "without dictionary": {"domain_dict": False},
        "without masking": {"mask": False},
    }
    rows = {}
    makers = {name: partial(untrained().set_params, vectorizer=NoteVectorizer(**params)) for name, params in without.items()}
    makers["without latent vectors"] = partial(untrained().set_params, n_latent=0)
    for name, make in makers.items():
        rows[name] = compare_tags(notes, cross_validate(notes, make, n_folds=2, size=_ABLATION_NOTES)).numbers
    return f"#### Ablation (unseen voices, two folds of {_ABLATION_NOTES} notes to train on)\n\n" + markdown(_short(rows))


def _short(rows: dict[str, dict[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows).T[list(_SHORT)].rename_axis("").reset_index()
