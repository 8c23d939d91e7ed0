"""Beyond one machine: a Dask DataFrame, one partition after the other, on as many machines as there are.

Every worker opens the model once, however many partitions it works on; a model of one's own travels to each worker once.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from disputenlp.archive import find_text_column
from disputenlp.models import load
from disputenlp.parts import tag_table
from disputenlp.tagger import DisputeTagger

__all__ = ["tag_dask"]

_MODEL = "model.dnm"


def tag_dask(ddf: Any, text: str | None = None, tagger: DisputeTagger | None = None, *, labels: str = "zh", evidence: bool = True) -> Any:
    """Tag a Dask DataFrame, lazily.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
    text : str, default=None
        Column of the notes; ``None`` looks for it in the first rows.
    tagger : DisputeTagger, default=None
        ``None`` takes the bundled model, which every worker has; another travels to each worker once.
    labels : {"zh", "id"}, default="zh"
    evidence : bool, default=True

    Returns
    -------
    dask.dataframe.DataFrame
        The same partitions and columns, with the columns of the tags behind them; lists as one text, joined by ``；``, since pandas cannot read
        back columns of lists that Dask has written.
    """
    from dask.delayed import delayed

    if text is None:
        text = find_text_column(ddf.head(200, npartitions=-1))
    empty = _tag_partition(ddf._meta, text, _bytes_of(tagger), labels, evidence)
    model = None if tagger is None else delayed(_bytes_of(tagger), pure=True)
    return ddf.map_partitions(_tag_partition, text, model, labels, evidence, meta=empty)


def _tag_partition(frame: pd.DataFrame, text: str, model: bytes | None, labels: str, evidence: bool) -> pd.DataFrame:
    import pyarrow as pa

    tagged = tag_table(_tagger_of(model), frame, text, labels, evidence)[0]
    new = tagged.columns[len(frame.columns) :]
    lists = {name: tagged[name].str.join("；") for name in ("categories", "evidence") if name in new}
    # Dask needs to know what is in a column before it has seen one.
    texts = {name: pd.ArrowDtype(pa.string()) for name in ("category", "status", "categories", "evidence") if name in new}
    return tagged.assign(**lists).astype(texts)


def _bytes_of(tagger: DisputeTagger | None) -> bytes | None:
    if tagger is None:
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder, _MODEL)
        tagger.save(path)
        return path.read_bytes()


@lru_cache(maxsize=2)
def _tagger_of(model: bytes | None) -> DisputeTagger:
    """The tagger of a process: opened once, however many partitions it works on."""
    if model is None:
        return load()
    with TemporaryDirectory() as folder:
        path = Path(folder, _MODEL)
        path.write_bytes(model)
        return load(path)
