"""What the README shows is what comes out."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_stands_below_it() -> None:
    code = re.search(r"```python\n(import disputenlp as dn\n\nnotes.*?)```", README, re.DOTALL)[1]
    shown = re.search(r"<!-- example:begin -->\n```\n(.*?)\n```", README, re.DOTALL)[1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue().rstrip() == shown


def test_the_table_of_labels_is_that_of_the_taxonomy() -> None:
    from disputenlp.taxonomy import labels

    for label in labels("categories"):
        assert f"| `{label.id}` | {label.name} |" in README
