"""Behavioural cases: what must be found, and what must not change (Ribeiro et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import ArchiveError, json_row
from disputenlp.evaluation import markdown
from disputenlp.tagger import DisputeTagger

__all__ = ["behaviour_table", "read_cases", "run_behaviour"]


def read_cases(folder: Path) -> list[dict[str, Any]]:
    """Behavioural cases of all ``.jsonl`` files of a folder.

    Raises
    ------
    ArchiveError
        If there are none, or a line is no case.
    """
    cases = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                case = json_row(path, number, line)
                if not {"kind", "test", "text"} <= case.keys():
                    raise ArchiveError(f"{path}, line {number}: a case needs kind, test and text")
                cases.append(case)
    if not cases:
        raise ArchiveError(f"{folder}: holds no cases (.jsonl files)")
    return cases


def run_behaviour(tagger: DisputeTagger, cases: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Run behavioural cases (Ribeiro et al. 2020).

    Parameters
    ----------
    tagger : DisputeTagger
    cases : iterable of dict
        ``kind``, ``test`` (what it is about) and ``text``; for ``mft`` any of ``category``, ``risk`` and ``status`` that must be found; for ``invariance``
        (risk is the same, or for ``"expect": "not_higher"`` not higher) and ``direction`` (``expect``: ``not_higher``, ``not_lower`` or ``not_high``)
        the changed text as ``other``.

    Returns
    -------
    DataFrame
        The cases with ``passed`` and what was found.
    """
    cases = list(cases)
    first = tagger.tag([case["text"] for case in cases], labels="id", evidence=False)
    second = tagger.tag([case.get("other", case["text"]) for case in cases], labels="id", evidence=False)
    level, changed = first["risk"].cat.codes.to_numpy(), second["risk"].cat.codes.to_numpy()
    top = len(first["risk"].cat.categories) - 1
    passed = []
    for row, case in enumerate(cases):
        if case["kind"] == "mft":
            checks = {"category": first["category"][row], "risk": first["risk"][row], "status": first["status"][row]}
            passed.append(all(case[name] == value for name, value in checks.items() if name in case))
            continue
        expected = case.get("expect", "same")
        passed.append(
            bool(
                {
                    "same": changed[row] == level[row],
                    "not_higher": changed[row] <= level[row],
                    "not_lower": changed[row] >= level[row],
                    "not_high": changed[row] < top,
                }[expected]
            )
        )
    found = [f"{c}/{r}/{s}" for c, r, s in zip(first["category"], first["risk"], first["status"], strict=True)]
    return pd.DataFrame(cases).assign(passed=passed, found=found, found_other=second["risk"].astype(str).to_numpy())


def behaviour_table(results: pd.DataFrame) -> str:
    """Share of behavioural cases passed, by kind and by what is tested, as Markdown."""
    identity = results.get("identity", pd.Series(False, index=results.index)) == True  # noqa: E712
    kind = results["kind"].where(~identity, "invariance: who somebody is")
    by_kind = results.groupby(kind)["passed"].agg(["mean", "size"])
    by_test = results.groupby(["kind", "test"])["passed"].agg(["mean", "size"]).reset_index()
    by_test.insert(0, "kind", by_test.pop("kind") + ": " + by_test.pop("test"))
    tables = [by_kind.rename_axis("kind").reset_index(), by_test.sort_values("mean", kind="stable")]
    named = [table.set_axis(["cases", "passed", "number"], axis=1).astype({"number": str}) for table in tables]
    return "#### Behavioural cases (bundled model)\n\n" + "\n\n".join(map(markdown, named))
