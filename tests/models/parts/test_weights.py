"""Weights on disk: whatever was changed in a file is told; what older versions wrote is read."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.models.parts.weights import differences, load_tensors, load_weights, save_tensors

OLD = Path(__file__).parents[2] / "golden" / "run-0.1.0" / "end" / "last.safetensors"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shared = torch.arange(6.0).reshape(2, 3)
    tensors = {"a": shared, "b": shared, "count": torch.tensor(3), "none": torch.empty(0)}
    save_tensors(tmp_path / "w.safetensors", tensors)
    return tmp_path / "w.safetensors"


def test_a_flipped_bit_of_any_byte_is_told(file: Path):
    data = file.read_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=str(file)):
            load_tensors(file)


def test_a_file_cut_short_is_told(file: Path):
    data = file.read_bytes()
    for length in range(0, len(data), 7):
        file.write_bytes(data[:length])
        with pytest.raises(UserError, match=str(file)):
            load_tensors(file)


def test_the_same_tensors_are_the_same_bytes(file: Path):
    again = file.with_name("again.safetensors")
    save_tensors(again, dict(reversed(load_tensors(file).items())) | {"c": torch.tensor(1)})
    assert again.read_bytes() != file.read_bytes()
    tensors = load_tensors(file)
    save_tensors(again, tensors | {"b": tensors["a"]})
    assert again.read_bytes() == file.read_bytes()


def test_files_of_0_1_0_are_read_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("one.safetensors", "two.safetensors"):
        (tmp_path / name).write_bytes(OLD.read_bytes())
        assert load_tensors(tmp_path / name)
    assert capsys.readouterr().err.count("unchecked") == 1


def test_files_of_others_are_read_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "public.safetensors"
    file.write_bytes(save({"a": torch.ones(2)}, metadata={"format": "pt"}))
    assert torch.equal(load_tensors(file)["a"], torch.ones(2))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("aliases", ["[]", '{"b": 3}', '{"b": "c"}', '{"a": "a"}', "no JSON"])
def test_aliases_of_nothing_are_told(tmp_path: Path, aliases: str):
    file = tmp_path / "w.safetensors"
    file.write_bytes(save({"a": torch.ones(2)}, metadata={"aliases": aliases}))
    with pytest.raises(UserError, match=r"w\.safetensors: .*aliases"):
        load_tensors(file)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_numbers_that_are_none_are_told(tmp_path: Path, odd: float, kind: torch.dtype):
    save_tensors(tmp_path / "w.safetensors", {"a": torch.tensor([1.0, odd], dtype=kind)})
    with pytest.raises(UserError, match="NaN or infinite numbers in a"):
        load_tensors(tmp_path / "w.safetensors")


def test_large_numbers_are_numbers(tmp_path: Path):
    large = torch.full((9,), np.finfo(np.float32).max)
    save_tensors(tmp_path / "w.safetensors", {"a": large})
    assert torch.equal(load_tensors(tmp_path / "w.safetensors")["a"], large)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (torch.zeros(2, 3), r"1 of another shape \(weight \(2, 3\) for \(3, 2\)\)"),
        (torch.zeros(3, 2, dtype=torch.int64), r"of another type \(weight int64 for float32\)"),
        (torch.zeros(3, 2).to_sparse(), "float32 sparse_coo for float32"),
        (torch.zeros(3, 2, device="meta"), "float32 meta for float32"),
        (torch.full((3, 2), float("nan")), r"NaN or infinite numbers \(weight\)"),
        (torch.zeros(3, 2, dtype=torch.float16), ""),
    ],
)
def test_what_differs_is_told(found: Tensor, told: str):
    said = differences({"weight": torch.zeros(3, 2)}, {"weight": found})
    if told:
        with pytest.raises(UserError, match=told):
            raise UserError(said)
    else:
        assert said == ""


def test_weights_of_another_kind_are_refused(tmp_path: Path):
    network = nn.Linear(2, 2)
    whole = {name: value.long() for name, value in network.state_dict().items()}
    save_tensors(tmp_path / "w.safetensors", whole)
    with pytest.raises(UserError, match=r"2 of another type \(bias int64 for float32"):
        load_weights(network, tmp_path / "w.safetensors")


def test_metadata_is_in_the_header_as_safetensors_has_it(file: Path):
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert size % 8 == 0
    assert set(header["__metadata__"]) == {"blurbench_sha256", "aliases"}


def test_a_checksum_under_its_former_name_still_counts(file: Path):
    whole = load_tensors(file)
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = {"sha256": "0" * 64, "aliases": header["__metadata__"]["aliases"]}
    text = json.dumps(header).encode()
    text = len(text).to_bytes(8, "little") + text
    sealed = hashlib.sha256(text + data[8 + size :]).hexdigest().encode()
    file.write_bytes(text.replace(b"0" * 64, sealed, 1) + data[8 + size :])
    found = load_tensors(file)
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    with file.open("r+b") as damaged:
        damaged.seek(-1, os.SEEK_END)
        last = damaged.read(1)
        damaged.seek(-1, os.SEEK_END)
        damaged.write(bytes([last[0] ^ 1]))
    with pytest.raises(UserError, match="its checksum does not match"):
        load_tensors(file)


def test_metadata_of_others_is_their_own(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_file({"weight": torch.ones(2)}, path, {"sha256": "of something else", "format": "pt"})
    assert torch.equal(load_tensors(path)["weight"], torch.ones(2))
