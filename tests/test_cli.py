"""The command line: one call in the library each, exit codes, errors of one line."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from disputenlp.cli import app

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "走访记录.xlsx"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "disputenlp", *words], capture_output=True, text=True, encoding="utf-8")


def test_every_command_has_help() -> None:
    top = CliRunner().invoke(app, ["--help"]).output
    for command in app.registered_commands:
        name = command.callback.__name__
        assert name in top
        page = CliRunner().invoke(app, [name, "--help"])
        assert page.exit_code == 0
        assert command.callback.__doc__.split("。")[0] in page.output


def test_tag_shows_a_summary_and_writes_the_result(tmp_path) -> None:
    done = run("tag", str(SAMPLE), "-o", str(tmp_path / "out.xlsx"))
    assert done.returncode == 0, done.stderr
    assert "婚恋情感" in done.stdout
    assert "共 36 条" in done.stdout
    assert len(pd.read_excel(tmp_path / "out.xlsx", engine="calamine")) == 36


def test_a_bad_file_is_one_line_and_code_1(tmp_path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    done = run("tag", str(tmp_path / "a.csv"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "a.csv" in done.stderr


@pytest.mark.parametrize("words", [("tag",), ("nothing",), ("tag", "a.csv", "--labels", "fr")])
def test_wrong_usage_is_code_2(words: tuple[str, ...]) -> None:
    assert run(*words).returncode == 2


def test_train_evaluate_and_info(tmp_path, few) -> None:
    labelled = few.assign(categories=few["categories"].str.join("、"))[["text", "categories", "risk", "status", "voice"]]
    labelled.to_csv(tmp_path / "labelled.csv", index=False)
    model = str(tmp_path / "m.dnm")
    runner = CliRunner()
    assert runner.invoke(app, ["train", str(tmp_path / "labelled.csv"), "-o", model]).exit_code == 0
    shown = runner.invoke(app, ["evaluate", str(tmp_path / "labelled.csv"), "--model", model])
    assert shown.exit_code == 0
    assert "risk QWK" in shown.output
    assert "marriage" in runner.invoke(app, ["info", "--model", model]).output
