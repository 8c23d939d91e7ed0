"""The labels: categories, risk levels and statuses, with their Chinese names.

The labels are data (``resources/taxonomy.toml``); this module only reads them. A label has an ``id`` (``marriage``), which models,
corpora and code use, and a ``name`` (``婚恋情感``), which people see. :func:`to_name` and :func:`to_id` translate, and leave a
label that is not of this taxonomy as it is, because users train models on label sets of their own.

People keep labels as a column of strings, as lists, as a table of zeros and ones, with ids or with Chinese names. :func:`read_labels` turns
any of these into one :class:`Labelling`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["NONE", "Kind", "Label", "Labelling", "labels", "read_labels", "resource_text", "to_id", "to_name"]

Kind = Literal["categories", "risks", "statuses"]

#: The id of "no dispute" in all three label sets. It excludes every other label.
NONE = "none"


class Label(NamedTuple):
    """One label: its id, its Chinese name and what it covers."""

    id: str
    name: str
    covers: str


def resource_text(name: str) -> str:
    """Text of a file below ``disputenlp/resources``."""
    return files("disputenlp").joinpath("resources", *name.split("/")).read_text(encoding="utf-8")


@cache
def labels(kind: Kind) -> tuple[Label, ...]:
    """The labels of one kind, in the order of the taxonomy; risk levels from none to high.

    >>> [label.name for label in labels("risks")]
    ['无', '低', '中', '高']
    """
    table = tomllib.loads(resource_text("taxonomy.toml"))
    return tuple(Label(**row) for row in table[kind])


@cache
def _names(kind: Kind) -> dict[str, str]:
    return {label.id: label.name for label in labels(kind)}


@cache
def _ids(kind: Kind) -> dict[str, str]:
    return {label.name: label.id for label in labels(kind)}


def to_name(label: str, kind: Kind) -> str:
    """Chinese name of a label id; a label of another taxonomy comes back unchanged.

    >>> to_name("marriage", "categories"), to_name("my own label", "categories")
    ('婚恋情感', 'my own label')
    """
    return _names(kind).get(label, label)


def to_id(label: str, kind: Kind) -> str:
    """Id of a label's Chinese name; anything else comes back unchanged.

    >>> to_id("婚恋情感", "categories"), to_id("marriage", "categories")
    ('marriage', 'marriage')
    """
    return _ids(kind).get(label, label)


class Labelling(NamedTuple):
    """Labels of notes.

    Attributes
    ----------
    names : list of str
        The labels, in the order of the columns.
    indicator : ndarray of bool, shape (n_notes, n_labels)
    primary : ndarray of int64, shape (n_notes,)
        Column of the first label of each note, -1 for a note without any.
    given : list
        The labels as they were written, in the order of ``names``: the Chinese name where ``names`` has its id.
    """

    names: list[Any]
    indicator: NDArray[np.bool_]
    primary: NDArray[np.int64]
    given: list[Any]

    @property
    def single(self) -> bool:
        """Whether every note has exactly one label."""
        return bool((self.indicator.sum(axis=1) == 1).all())

    def first_matters(self, values: Any) -> bool:
        """Whether it says something which label of a note in ``values``, from which this was read, comes first.

        So it is where every note has a label, and some pair of labels stands in both orders: labels that were put in order by name have no first
        one, nor have sets.
        """
        rows = [list(value) for value in values if isinstance(value, list | tuple | np.ndarray) and len(value) > 1]
        pairs = {(row[0], other) for row in rows for other in row[1:]}
        return bool((self.primary >= 0).all()) and any((other, one) in pairs for one, other in pairs)


def read_labels(values: Any, kind: Kind, names: Sequence[Any] | None = None) -> Labelling:
    """Read labels in any of the usual forms.

    Parameters
    ----------
    values : list, Series, array or DataFrame
        One label a note; or a list, tuple or set of labels a note, the primary first; or a table of zeros and ones with a column a label.
        An empty list, None or NaN is no label.
    kind : {"categories", "risks", "statuses"}
        If all labels are of this kind's taxonomy, Chinese names are read as their ids; a label set of one's own stays as it is, though some of
        its names are also in the taxonomy.
    names : sequence, default=None
        The labels to expect, in order; ``None`` takes those that occur: in the taxonomy's order where all are its own, else in the order of
        an ordered Categorical, else sorted.

    Raises
    ------
    ValueError
        If a table holds anything but zeros and ones, or a label is not among ``names``.

    Examples
    --------
    >>> read_labels([["婚恋情感", "debt"], "none"], "categories").names
    ['marriage', 'debt', 'none']
    """
    if isinstance(values, str | bytes):
        raise ValueError(f"expected labels of several notes, got a single text {values!r}")
    if isinstance(values, pd.DataFrame):
        return _from_table(values.to_numpy(), list(values.columns), kind)
    array = values.to_numpy() if isinstance(values, pd.Series) else values
    if hasattr(array, "toarray"):
        array = array.toarray()
    if isinstance(array, np.ndarray) and np.ndim(array) == 2:
        return _from_table(array, list(range(np.size(array, 1))), kind)
    rows = [_row(value) for value in array]
    read = _reader({label for row in rows for label in row}, kind, names)
    given = {read(label): label for row in rows for label in row}
    rows = [list(dict.fromkeys(map(read, row))) for row in rows]
    if names is None:
        names = _order(set(given), values, kind)
    column = {name: index for index, name in enumerate(names)}
    indicator = np.zeros((len(rows), len(names)), dtype=np.bool_)
    primary = np.full(len(rows), -1, dtype=np.int64)
    for number, row in enumerate(rows):
        for label in row:
            if label not in column:
                raise ValueError(f"row {number}: {label!r} is not one of the labels {list(names)}")
            indicator[number, column[label]] = True
        if row:
            primary[number] = column[row[0]]
    return Labelling(list(names), indicator, primary, [given.get(name, name) for name in names])


def _reader(found: set[Any], kind: Kind, names: Sequence[Any] | None) -> Callable[[Any], Any]:
    """What turns a label as it was written into one of ``names`` or, if there are none, of the taxonomy where all are in it."""
    if names is not None:
        expected = set(names)
        return lambda label: label if label in expected else to_id(label, kind)
    if found <= {*_names(kind), *_ids(kind)}:
        return lambda label: to_id(label, kind)
    return lambda label: label


def _row(value: Any) -> list[Any]:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return []
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        ordered: Iterable[Any] = sorted(value) if isinstance(value, set | frozenset) else value
        return [_plain(label) for label in ordered]
    return [_plain(value)]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _order(found: set[Any], values: Any, kind: Kind) -> list[Any]:
    known = [label.id for label in labels(kind)]
    if found <= set(known):
        return [label for label in known if label in found]
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        return [label for label in values.dtype.categories if label in found]
    return sorted(found, key=lambda label: (str(type(label)), label))


def _from_table(table: NDArray[Any], names: list[Any], kind: Kind) -> Labelling:
    if not np.isin(table, (0, 1)).all():
        raise ValueError("a table of labels may hold only zeros and ones, a column a label")
    indicator = table.astype(np.bool_)
    read = _reader(set(names), kind, None)
    return Labelling([read(name) for name in names], indicator, np.where(indicator.any(axis=1), indicator.argmax(axis=1), -1), names)
