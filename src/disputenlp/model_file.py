"""The model file: arrays and JSON in a zip, and nothing that runs.

A pickle executes what it holds and breaks when a library changes a class. A ``.dnm`` file holds ``.npy`` members, read with
``allow_pickle=False``, and one ``meta.json`` with the format version, plain settings and a SHA-256 for each member. So it outlives library
versions, can be looked into with any zip tool, and a damaged or foreign file is known before anything in it is used. Equal content gives
equal bytes: members are sorted and carry no date.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMAT", "VERSION", "ModelFileError", "read_model", "read_seal", "write_model"]

FORMAT = "disputenlp-model"
#: Version that is written. Readers of older versions stay when it rises.
VERSION = 1
_META = "meta.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
# The highest level takes ten times as long for one part in a hundred less.
_LEVEL = 4


class ModelFileError(ValueError):
    """A file is no model, a damaged one, or one of a later version."""


def write_model(path: str | PathLike[str], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write settings and arrays to one file, which appears whole or not at all.

    Parameters
    ----------
    path : path
    meta : mapping
        Anything JSON can hold.
    arrays : mapping of str to ndarray
        Arrays without object dtype.
    """
    members = {}
    for name, array in sorted(arrays.items()):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    head = {"format": FORMAT, "version": VERSION, "members": checksums, "meta": dict(meta)}
    head["sha256"] = _seal(head)
    members[_META] = json.dumps(head, ensure_ascii=False, indent=1).encode()
    target = Path(path)
    part = target.with_name(target.name + ".part")
    with zipfile.ZipFile(part, "w") as archive:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)
    part.replace(target)


def read_model(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and arrays of a model file, after every member has been checked.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version of the library.
    FileNotFoundError
        If there is no such file.
    """
    with _opened(path) as (archive, head):
        arrays = {}
        for name, expected in head["members"].items():
            data = archive.read(name)
            if hashlib.sha256(data).hexdigest() != expected:
                raise ModelFileError(f"{path}: damaged, the checksum of {name} does not match; copy the file again")
            arrays[name.removesuffix(".npy")] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return head["meta"], arrays


def read_seal(path: str | PathLike[str]) -> str:
    """Checksum over all that a model file holds, however it is packed.

    Raises
    ------
    ModelFileError, FileNotFoundError
        As :func:`read_model`.
    """
    with _opened(path) as (_, head):
        return str(head["sha256"])


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """The archive with its head, which has been checked; whatever is wrong with either is a :class:`ModelFileError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _META not in archive.namelist():
                raise ModelFileError(f"{path}: not a disputenlp model (a zip file without {_META})")
            head = json.loads(archive.read(_META))
            _check_head(path, head)
            yield archive, head
    except zipfile.BadZipFile:
        raise ModelFileError(f"{path}: not a disputenlp model, or cut off while copying; copy the file again") from None
    except (
        KeyError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        EOFError,
        OSError,
        AttributeError,
        TypeError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise ModelFileError(f"{path}: damaged ({error}); copy the file again") from None


def _seal(head: Mapping[str, Any]) -> str:
    sealed = {key: value for key, value in head.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(sealed, ensure_ascii=False).encode()).hexdigest()


def _check_head(path: str | PathLike[str], head: Any) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ModelFileError(f"{path}: not a disputenlp model")
    if not isinstance(head.get("version"), int) or head["version"] > VERSION:
        raise ModelFileError(
            f"{path}: written in model format {head.get('version')}, this version of disputenlp reads up to {VERSION}; upgrade disputenlp"
        )
    if head.get("sha256") != _seal(head):
        raise ModelFileError(f"{path}: damaged, the checksum of {_META} does not match; copy the file again")
