"""MAXIM's public files become our networks, or a readable line."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from weight_files import flax_arrays, graph_of, last_heads, write_flax, write_graph

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.maxim import MAXIM
from blurbench.models.maxim.released import flax_tensor, read_flax, read_graph
from blurbench.models.parts.released import fingerprint, load_released
from blurbench.runs.load import load_checkpoint

Graph = tuple[dict[str, Any], bytes]


@pytest.fixture(scope="module")
def model() -> MAXIM:
    torch.manual_seed(0)
    made = build("maxim", "tiny", stages=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.fixture(scope="module")
def tensors(model: MAXIM) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


@pytest.fixture(scope="module")
def one_stage() -> MAXIM:
    torch.manual_seed(1)
    made = build("maxim", "tiny")
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.fixture(scope="module")
def graph(one_stage: MAXIM) -> Graph:
    return graph_of(one_stage.network.state_dict())


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


def test_names_are_the_authors(tensors):
    names = flax_arrays(tensors)
    for name in (
        "UpSampleRatio_18/Conv_0/kernel",
        "stage_0_encoder_block_1/channel_attention_block_10/conv1/kernel",
        "stage_0_global_block_0/channel_attention_block_1_0/channel_mixing/Dense_0/bias",
        "stage_1_decoder_block_2/UNetEncoderBlock_0/SplitHeadMultiAxisGmlpLayer_0/GridGmlpLayer"
        "/GridGatingUnit/intermediate_layernorm/scale",
        "stage_1_input_fuse_sam_0/SplitHeadMultiAxisGating_x/Dense_1/kernel",
        "stage_1_encoder_block_0/cross_gating_block/out_project_x/bias",
        "stage_0_supervised_attention_module_2/Conv_1/kernel",
        "stage_1_output_conv_0/bias",
    ):
        assert name in names


@pytest.mark.parametrize("head", ["opt/target/", "params/", ""])
def test_the_authors_checkpoint_is_read(tmp_path: Path, tensors, head):
    write_flax(tmp_path / "w.npz", tensors, head)
    assert same(read_flax(tmp_path / "w.npz"), tensors)


def test_a_doubling_convolution_is_flaxs():
    x, kernel = np.arange(1.0, 5).reshape(2, 2), np.arange(1.0, 5).reshape(2, 2)
    spread = np.zeros((5, 5))
    spread[1:4:2, 1:4:2] = x  # zeros between and around, over which Flax moves the kernel
    wanted = [[(spread[i : i + 2, j : j + 2] * kernel).sum() for j in range(4)] for i in range(4)]
    weight = flax_tensor("a/ConvTranspose_0/kernel", kernel[..., None, None])
    given = torch.tensor(x, dtype=torch.float32)[None, None]
    found = torch.nn.functional.conv_transpose2d(given, weight, stride=2)
    assert found[0, 0].tolist() == wanted


def test_the_graph_is_read_and_its_missing_heads_add_nothing(tmp_path: Path, tensors):
    found = read_graph(write_graph(tmp_path, *graph_of(tensors)))
    heads = [f"stages.1.output_conv.{n}.{kind}" for n in (1, 2) for kind in ("weight", "bias")]
    assert len(last_heads(tensors)) == 2
    wanted = {n: torch.zeros_like(v) if n in heads else v for n, v in tensors.items()}
    assert same(found, wanted)


@pytest.mark.parametrize("inside", ["", "models", "package/models"])
def test_a_package_restores(tmp_path: Path, one_stage, graph, inside):
    write_graph(tmp_path / inside, *graph)
    loaded = load_checkpoint(tmp_path, "cpu", "maxim", "tiny")
    blur = torch.rand(1, 3, 40, 33)
    assert torch.equal(loaded.model.deblur(blur), one_stage.deblur(blur))
    assert loaded.provenance["run"] == "model.json"
    # And without being told whose they are.
    found = load_checkpoint(tmp_path, "cpu")
    assert found.name == "maxim"
    assert torch.equal(found.model.deblur(blur), one_stage.deblur(blur))


def test_training_begins_with_either(tmp_path: Path, one_stage, graph):
    write_flax(tmp_path / "w.npz", one_stage.network.state_dict())
    for file in (write_graph(tmp_path, *graph), tmp_path / "w.npz"):
        model = build("maxim", "tiny")
        load_released(model, file)
        blur = torch.rand(1, 3, 32, 32)
        assert torch.equal(model.restore(blur), one_stage.restore(blur))


def test_a_fingerprint_is_of_the_numbers_too(tmp_path: Path, graph):
    held, data = graph
    file = write_graph(tmp_path, held, data)
    before = fingerprint(file)
    write_graph(tmp_path, held, data[:-1] + bytes([data[-1] ^ 1]))
    assert fingerprint(file) != before


def test_another_presets_weights_are_told(tmp_path: Path, tensors):
    file = write_graph(tmp_path, *graph_of(tensors))
    with pytest.raises(
        UserError, match=r"not weights of maxim, preset tiny: .* unexpected"
    ) as told:
        load_checkpoint(file, "cpu", "maxim", "tiny")
    assert "\n" not in str(told.value)


def change(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda held: held.update(changes)


def entry(number: int = 5, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda held: held["weightsManifest"][0]["weights"][number].update(changes)


def shards(*names: Any) -> Callable[[dict[str, Any]], None]:
    return lambda held: held["weightsManifest"][0].update(paths=list(names))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (change(format="layers-model"), "format: is none .* not a TF.js graph model"),
        (entry(dtype={"a": 1}), "dtype: should be"),
        (change(weightsManifest={}), "weightsManifest: should be a valid array"),
        (change(weightsManifest=[{"paths": []}]), "lacks the field weightsManifest.0.weights"),
        (change(modelTopology=[]), "modelTopology: should be an? "),
        (
            change(modelTopology={"node": [{"name": "a", "input": [3]}]}),
            "node.0.input.0: should be a valid string",
        ),
        (
            entry(shape=[-1, 2]),
            r"weights.\d+.shape.0: should be greater than or equal to 0 \(is -1\)",
        ),
        (entry(shape="big"), "shape: should be a valid array"),
        (entry(shape=[True]), r"shape.0: should be a valid integer \(is True\)"),
        (entry(dtype="float16"), "dtype: should be 'float32', 'int32' or 'bool'"),
        (
            entry(quantization={"dtype": "uint8", "scale": 0.1, "min": 0.0}),
            "arg_3 is quantised; take the full weights",
        ),
        (entry(shape=[1 << 30, 1 << 30]), "its shards hold .* bytes, not .*; fetch it again"),
        (entry(name="arg_0"), "names an array twice"),
        (entry(name=None), "name: should be a valid string"),
        (shards("shard1.bin"), "its shards hold 1000 bytes, not"),
        (shards("shard1.bin", "shard3.bin"), "shard3.bin: cannot be read"),
        (shards("shard1.bin", "../shard2.bin"), "does not lie beside it"),
        (shards("shard1.bin", ".."), "does not lie beside it"),
        (shards("shard1.bin", 7), "paths.1: should be a valid string"),
    ],
)
def test_nothing_of_a_graph_is_trusted(tmp_path: Path, graph, damage, told):
    held = copy.deepcopy(graph[0])
    damage(held)
    with pytest.raises(UserError, match=told) as error:
        read_graph(write_graph(tmp_path, held, graph[1]))
    assert "\n" not in str(error.value)


def test_two_tensors_of_one_name_are_told(tmp_path: Path, graph):
    held = copy.deepcopy(graph[0])
    nodes = held["modelTopology"]["node"]
    nodes.append(nodes[-1])
    with pytest.raises(UserError, match="two tensors for stages"):
        read_graph(write_graph(tmp_path, held, graph[1]))


def test_what_is_no_number_is_told(tmp_path: Path, graph, one_stage):
    file = write_graph(tmp_path, graph[0], graph[1][:-4] + b"\0\0\xc0\x7f")
    with pytest.raises(UserError, match="holds what is no finite number"):
        read_graph(file)
    weights = one_stage.network.state_dict()
    broken = {name: torch.full_like(value, torch.inf) for name, value in weights.items()}
    write_flax(tmp_path / "w.npz", broken)
    with pytest.raises(UserError, match=r"w.npz: opt/target/.* no finite number"):
        read_flax(tmp_path / "w.npz")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"PK\3\4nothing", b"\x93NUMPY"])
@pytest.mark.parametrize("read", [read_graph, read_flax])
def test_other_files_are_one_line(tmp_path: Path, content, read):
    file = tmp_path / "w.any"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"w\.any: .*not (valid JSON|a TF\.js|a readable)") as told:
        read(file)
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=r"none: no such file"):
        read(tmp_path / "none")


def test_an_npz_runs_no_code(tmp_path: Path):
    np.savez(tmp_path / "w.npz", **{"a/kernel": np.array([{}], object)})
    with pytest.raises(UserError, match=r"w\.npz: not a readable \.npz"):
        read_flax(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", **{"a/kernel": np.arange(3)})
    with pytest.raises(UserError, match="a/kernel holds int64, not floating-point numbers"):
        read_flax(tmp_path / "w.npz")


def test_a_graph_of_something_else_gives_no_tensors(tmp_path: Path, graph):
    held = json.loads(json.dumps(graph[0]).replace("backbone", "head"))
    file = write_graph(tmp_path, held, graph[1])
    with pytest.raises(UserError, match="no tensors in it"):
        load_checkpoint(file, "cpu", "maxim", "tiny")
