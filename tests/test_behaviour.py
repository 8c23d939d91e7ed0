"""Behavioural cases (Ribeiro et al. 2020): what must be found, what must not change, and which way a change may go."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import disputenlp as dn
from disputenlp.behaviour import behaviour_table, read_cases, run_behaviour

# Share that has to pass.  The cases were written from the guide alone, by somebody who never saw the model; those that fail stay in the files.
LEAST = {"mft": 0.85, "invariance": 0.95, "direction": 0.88}


@pytest.fixture(scope="module")
def results(tagger: dn.DisputeTagger) -> pd.DataFrame:
    return run_behaviour(tagger, read_cases(Path(__file__).parent / "behaviour"))


def test_there_are_enough_cases_of_every_kind(results: pd.DataFrame) -> None:
    assert len(results) >= 400
    assert results["text"].is_unique or results.duplicated(["text", "other"]).sum() == 0
    kinds = Counter(results["kind"])
    assert min(kinds[kind] for kind in LEAST) >= 100


@pytest.mark.parametrize("kind", LEAST)
def test_most_cases_of_each_kind_pass(results: pd.DataFrame, kind: str) -> None:
    of_kind = results[results["kind"] == kind]
    assert of_kind["passed"].mean() >= LEAST[kind], of_kind[~of_kind["passed"]][["test", "text", "found"]].to_string()


def test_who_somebody_is_never_changes_the_risk(results: pd.DataFrame) -> None:
    identity = results[results["identity"] == True]  # noqa: E712
    assert len(identity) >= 100
    assert identity["passed"].all(), identity[~identity["passed"]][["text", "other", "found", "found_other"]].to_string()


def test_lawful_means_never_raise_the_risk(results: pd.DataFrame) -> None:
    lawful = results[results["test"] == "lawful means"]
    lawful = lawful[lawful["kind"] == "invariance"]
    assert len(lawful) >= 40
    assert lawful["passed"].mean() >= 0.95, lawful[~lawful["passed"]][["text", "other", "found", "found_other"]].to_string()


def test_the_table_shows_every_kind(results: pd.DataFrame) -> None:
    table = behaviour_table(results)
    assert all(kind in table for kind in (*LEAST, "who somebody is"))
