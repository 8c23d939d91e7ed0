"""Figures mean what they say."""

import pandas as pd
import pytest

import disputenlp as dn
from disputenlp.behaviour import run_behaviour
from disputenlp.evaluation import compare_tags, read_labelled
from disputenlp.model_card import update_block


def test_perfect_tags_get_perfect_figures(few: pd.DataFrame) -> None:
    tags = pd.DataFrame(
        {
            "category": few["categories"].str[0],
            "categories": few["categories"],
            "category_p": 1.0,
            "risk": pd.Categorical(few["risk"], ["none", "low", "medium", "high"], ordered=True),
            "risk_p": 1.0,
            "status": few["status"],
            "needs_review": False,
        }
    )
    numbers = compare_tags(few, tags).numbers
    for name in ("primary macro-F1", "multi-label micro-F1", "risk QWK", "high recall", "high precision", "status accuracy", "all right"):
        assert numbers[name] == pytest.approx(1)
    assert numbers["ECE category"] == pytest.approx(0)
    wrong = compare_tags(
        few,
        tags.assign(risk=tags["risk"].cat.set_categories(tags["risk"].cat.categories).fillna("low").where(tags["risk"] != "high", "low")),
    )
    assert wrong.numbers["high recall"] == 0


def test_the_bundled_model_on_the_dev_notes(tagger: dn.DisputeTagger, shared) -> None:
    found = dn.evaluate(tagger, read_labelled(shared("dev-notes.jsonl")))
    assert found.numbers["primary accuracy"] >= 0.70
    assert found.numbers["risk QWK"] >= 0.60
    assert "<table" in found._repr_html_()


def test_behaviour_is_judged_by_what_changed(tagger: dn.DisputeTagger) -> None:
    cases = [
        {"kind": "invariance", "text": "两家吵架，男子拿刀", "other": "两家吵架，女子拿刀"},
        {"kind": "direction", "text": "丈夫打伤妻子送医院缝了七针", "other": "上午送米面给老人，都好", "expect": "not_lower"},
    ]
    assert run_behaviour(tagger, cases)["passed"].tolist() == [True, False]


def test_figures_go_between_their_marks(tmp_path) -> None:
    page = tmp_path / "card.md"
    page.write_text("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n", encoding="utf-8")
    update_block(page, "x", "new")
    assert page.read_text(encoding="utf-8") == "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n"
