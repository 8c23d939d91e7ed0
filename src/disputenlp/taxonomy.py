"""The labels: categories, risk levels and statuses, with their Chinese names.

The labels are data (``resources/taxonomy.toml``); this module only reads them. A label has an ``id`` (``marriage``), which models,
corpora and code use, and a ``name`` (``婚恋情感``), which people see. :func:`to_name` and :func:`to_id` translate, and leave a
label that is not of this taxonomy as it is, because users train models on label sets of their own.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

__all__ = ["NONE", "Kind", "Label", "labels", "resource_text", "to_id", "to_name"]

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
