"""What tests share: the bundled tagger, a small one, and the corpus."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import disputenlp as dn

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def notes() -> pd.DataFrame:
    return dn.corpus()


@pytest.fixture(scope="session")
def tagger() -> dn.DisputeTagger:
    return dn.load()


@pytest.fixture(scope="session")
def few(notes: pd.DataFrame) -> pd.DataFrame:
    return notes.iloc[::12].reset_index(drop=True)


@pytest.fixture(scope="session")
def small(few: pd.DataFrame) -> dn.DisputeTagger:
    return dn.DisputeTagger(C=1.0).fit(few["text"], few["categories"], few["risk"], few["status"], groups=few["voice"])


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Gives a file of the shared data, or skips the test."""

    def path_of(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {path}, which is not on this machine")
        return path

    return path_of
