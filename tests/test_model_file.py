"""A damaged or foreign file is known before anything in it is used."""

import json
import zipfile

import numpy as np
import pytest

import disputenlp as dn
from disputenlp.model_file import ModelFileError, read_model, write_model


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.dnm"
    write_model(path, {"a": [1, 2]}, {"x": np.arange(1000, dtype=np.float32)})
    return path


def test_what_was_written_is_read(model) -> None:
    meta, arrays = read_model(model)
    assert meta == {"a": [1, 2]}
    assert np.array_equal(arrays["x"], np.arange(1000))


def test_a_cut_off_file(model) -> None:
    model.write_bytes(model.read_bytes()[:-200])
    with pytest.raises(ModelFileError, match=r"m\.dnm"):
        dn.load(model)


def test_any_flipped_byte_is_noticed(model) -> None:
    whole = model.read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for at in rng.choice(len(whole), 60, replace=False):
        broken = bytearray(whole)
        broken[at] ^= 0x55
        model.write_bytes(bytes(broken))
        try:
            meta, arrays = read_model(model)
        except ModelFileError:
            noticed += 1
        else:
            assert meta == {"a": [1, 2]}  # a date or flag of the zip itself
            assert np.array_equal(arrays["x"], np.arange(1000))
    assert noticed > 20


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_a_foreign_file(tmp_path, content: bytes) -> None:
    path = tmp_path / "x.dnm"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a disputenlp model"):
        dn.load(path)


def test_a_zip_that_is_no_model_and_a_later_format(tmp_path) -> None:
    path = tmp_path / "x.dnm"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(ModelFileError, match=r"meta\.json"):
        dn.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.json", json.dumps({"format": "disputenlp-model", "version": 99}))
    with pytest.raises(ModelFileError, match="upgrade"):
        dn.load(path)


def test_no_pickle_is_read(tmp_path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        write_model(tmp_path / "x.dnm", {}, {"x": np.array([{}], dtype=object)})
