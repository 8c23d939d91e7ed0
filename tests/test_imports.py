"""Imports point one way, and importing the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "disputenlp"
LEVELS = [
    {"taxonomy"},
    {"cleaning"},
    {"hashing", "diary", "model_file", "workers"},
    {"names", "archive"},
    {"privacy"},
    {"cues", "tokenizer", "writing", "rows", "calibration"},
    {"features", "latent"},
    {"linear", "word_vectors"},
    {"explain", "heads"},
    {"headset"},
    {"decision"},
    {"tagger"},
    {"models"},
    {"parts", "evaluation"},
    {"batch", "behaviour"},
    {"model_card"},
    {"cli", "cluster"},
    {"__main__", "__init__"},
]


def level(name: str) -> int:
    return next(number for number, names in enumerate(LEVELS) if name in names)


def test_imports_point_downwards() -> None:
    for path in SOURCE.glob("*.py"):
        if path.stem == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("disputenlp."):
                assert level(node.module.split(".")[1]) < level(path.stem), f"{path.stem} imports {node.module}"


def test_the_package_imports_nothing_heavy() -> None:
    code = "import disputenlp, sys; print([m for m in ('numpy', 'pandas', 'sklearn', 'jieba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import disputenlp as dn

    assert all(callable(getattr(dn, name)) for name in dn.__all__)
