"""Released weights in any wrapping become our networks, or a readable line."""

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference_weights import reference_arrays, reference_shapes, reference_tensors, relative_error
from torch import Tensor, nn

import blurbench.models
from blurbench.errors import UserError
from blurbench.models import build, convert
from blurbench.models.parts.released import (
    RELEASED,
    load_released,
    read_checkpoint,
    released_network,
)
from blurbench.models.parts.weights import save_tensors
from blurbench.models.umsn.network import ConfidenceNet
from blurbench.models.umsn.released import add_unused_to_confidence

NAME = "umsn_CN"  # the smallest


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = ConfidenceNet()
    add_unused_to_confidence(network)
    return network.state_dict()


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in tensors.items()}


def equal(network: nn.Module, weights: dict[str, Tensor]) -> bool:
    loaded = network.state_dict()
    return loaded.keys() == weights.keys() and all(
        torch.equal(loaded[key], value) for key, value in weights.items()
    )


# MAXIM's names are another framework's: its own tests compare them.
@pytest.mark.parametrize("name", [name for name in RELEASED if name != "maxim_s3"])
def test_every_network_has_the_released_keys(shared, name):
    with torch.device("meta"):
        network = released_network(name)
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


def reference_inputs(name: str, arrays: dict[str, Tensor]) -> list[Any]:
    """What the released network `name` is called with."""
    x = arrays["x"]
    if name == "pix2pix_D70":
        return [torch.cat([x, arrays["target"]], 1)]
    if name == "umsn_G":
        maps, target_maps = arrays["smaps"], arrays["smaps_target"]
        masks = [m.expand(-1, 3, -1, -1) for m in target_maps.split(1, 1)]
        return [x, arrays["x_64"], maps, *maps.split(1, 1), arrays["target"], *masks]
    return [x, *(arrays[key] for key in ("x_64", "target") if key in arrays)]


# The large ones are tested by their own models.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["deblurgan_D", "mimounet", "pix2pix_D70", "umsn_CN", "umsn_G", "umsn_SN"]
)
def test_converted_networks_give_the_reference_outputs(shared, name):
    arrays = reference_arrays(shared, name)
    network = convert(name, reference_tensors(shared, name))
    with torch.no_grad():
        found = network(*reference_inputs(name, arrays))
    outputs = [found] if torch.is_tensor(found) else found
    assert len(outputs) == sum(re.fullmatch(r"y\d+", key) is not None for key in arrays)
    for number, output in enumerate(outputs):
        assert relative_error(output, arrays[f"y{number}"]) < 1e-10


@pytest.mark.parametrize("prefix", ["", "module.", "G.", "net.", "module.model.", "generator."])
@pytest.mark.parametrize("container", [None, "state_dict", "params", "model_state_dict", "netG"])
def test_wrappings_are_taken_off(weights, prefix, container):
    held: dict[str, Any] = prefixed(weights, prefix)
    if container:
        held = {"epoch": 3, container: held, "optimizer": {"state": {0: {"step": torch.ones(())}}}}
    network = convert(NAME, held)
    assert equal(network, weights)
    assert not network.training


def test_of_two_networks_the_right_one_is_taken(weights):
    other = nn.Conv2d(3, 3, 1).state_dict()
    assert equal(convert(NAME, {"D": other, "G": weights}), weights)


def test_averaged_weights_win(weights):
    doubled = {key: 2 * value for key, value in weights.items()}
    assert equal(convert(NAME, {"params": weights, "params_ema": doubled}), doubled)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_dtype_is_kept(weights, dtype):
    given = {key: value.to(dtype) for key, value in weights.items()}
    assert equal(convert(NAME, given), given)


def test_a_network_is_its_own(weights):
    network = convert(NAME, weights)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert weights["conv1.weight"].abs().sum() > 0


@pytest.mark.parametrize("legacy", [False, True])
def test_files_are_read(tmp_path: Path, weights, legacy):
    held = {"state_dict": prefixed(weights, "module.")}
    torch.save(held, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    assert equal(convert(NAME, tmp_path / "w.pth"), weights)
    assert equal(convert(NAME, str(tmp_path / "w.pth")), weights)


def test_old_statistics_of_instance_norms_are_dropped():
    torch.manual_seed(0)
    weights = released_network("deblurgan_D").state_dict()
    old = {f"model.3.running_{kind}": torch.ones(128) for kind in ("mean", "var")}
    assert equal(convert("deblurgan_D", weights | old), weights)
    with pytest.raises(UserError, match=r"1 unexpected \(model\.2\.running_mean\)"):
        convert("deblurgan_D", weights | {"model.2.running_mean": torch.ones(128)})


def test_safetensors_are_read(tmp_path: Path, weights):
    save_tensors(tmp_path / "w.safetensors", weights)
    assert equal(convert(NAME, tmp_path / "w.safetensors"), weights)


def test_counts_of_batches_may_be_missing(shared):
    tensors = reference_tensors(shared, "umsn_SN")
    counts = [key for key in tensors if key.endswith("num_batches_tracked")]
    assert counts
    network = convert("umsn_SN", {k: v for k, v in tensors.items() if k not in counts})
    assert all(network.state_dict()[key] == 0 for key in counts)


def test_the_difference_is_told_in_one_line(weights):
    changed = dict(weights)
    for key in ("conv1.bias", "conv1.weight", "conv_refin.bias", "conv_refin.weight"):
        del changed[key]
    changed["head.weight"] = torch.ones(2)
    changed["trans_block1.conv1.weight"] = torch.ones(3, 4)
    with pytest.raises(UserError) as error:
        convert(NAME, changed)
    assert str(error.value) == (
        "umsn_CN: 4 missing (conv1.bias, conv1.weight, conv_refin.bias, ...), "
        "1 unexpected (head.weight), 1 of another shape "
        "(trans_block1.conv1.weight (3, 4) for (16, 16, 1, 1))"
    )


class Trap:
    """Runs code when a pickle that holds one is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("sprung"), "")


def test_no_file_runs_code(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: not a checkpoint of plain tensors"):
        convert(NAME, "w.pth")
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty; download it again"),
        (b"nothing of the kind", "not a checkpoint"),
        (b"root:x:0:0:root:/root", "not a checkpoint"),  # its unpickler raises an IndexError
        (None, "no such file"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_unreadable_files_are_one_line(tmp_path: Path, content, told, suffix):
    path = (tmp_path / "w").with_suffix(suffix)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UserError, match=f"{path.name}: {told}" if suffix == ".pth" else "w"
    ) as error:
        convert(NAME, path)
    assert "\n" not in str(error.value)


def test_other_mistakes_are_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="no released network 'mimo'; there are"):
        convert("mimo", {})
    with pytest.raises(UserError, match="no tensors in it, but epoch, lr"):
        convert(NAME, {"epoch": 1, "lr": 0.1})
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="holds no state dict but a list"):
        convert(NAME, tmp_path / "list.pth")
    with pytest.raises(UserError, match="is a folder"):
        convert(NAME, tmp_path)


def test_a_dictionary_that_holds_itself_ends(tmp_path: Path):
    endless: dict[Any, Any] = {1.5: torch.ones(1)}
    endless["again"] = endless
    torch.save(endless, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"no tensors in it, but 1\.5, again"):
        convert(NAME, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (torch.full((16,), float("nan")), r"NaN or infinite numbers \(conv1.bias\)"),
        (torch.zeros(16, dtype=torch.int64), r"of another type \(conv1.bias int64 for float32\)"),
    ],
)
def test_what_is_no_number_is_told(tmp_path: Path, weights, changed, told):
    torch.save(weights | {"conv1.bias": changed}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=told):
        convert(NAME, tmp_path / "w.pth")


def test_training_starts_from_a_released_file(tmp_path: Path):
    torch.manual_seed(0)
    model, other = build("nafnet", "tiny"), build("nafnet", "tiny")
    released = {k: v.double() for k, v in other.network.state_dict().items()}
    torch.save({"params": released}, tmp_path / "w.pth")
    load_released(model, tmp_path / "w.pth")
    assert equal(model, other.state_dict())
    torch.save({"params": released | {"x": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: .* 1 unexpected \(x\)"):
        load_released(model, tmp_path / "w.pth")


def test_the_function_stays_reachable_after_its_first_call(weights):
    convert(NAME, weights)
    assert blurbench.models.convert is convert


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sd: {**{f"module.{k}": v for k, v in sd.items()}, "n_averaged": torch.tensor(5)},
        lambda sd: {
            "state_dict": {**{f"net.{k}": v for k, v in sd.items()}, "loss.0.weight": torch.ones(3)}
        },
        lambda sd: {
            "state_dict": {**{f"m.{k}": v for k, v in sd.items()}, "psnr.n": torch.ones(())}
        },
        lambda sd: {**sd, "total_ops": torch.zeros(1), "intro.total_params": torch.zeros(1)},
        lambda sd: {"state_dict": sd, "best_psnr": np.float64(32.1), "epoch": np.int64(3)},
    ],
    ids=["averaged", "lightning", "metric", "profiled", "numpy"],
)
def test_what_is_wrapped_round_a_network_is_left_out(tmp_path, wrap):
    torch.manual_seed(0)
    there, here = build("nafnet", preset="tiny"), build("nafnet", preset="tiny")
    torch.save(wrap(there.network.state_dict()), tmp_path / "weights.pth")
    load_released(here, tmp_path / "weights.pth")
    for name, value in there.network.state_dict().items():
        assert torch.equal(here.network.state_dict()[name], value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\n <!DOCTYPE html><html>quota exceeded</html>", "a web page, not a checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    ],
)
def test_what_was_saved_in_its_place_is_named(tmp_path, monkeypatch, data, told):
    # At once, where the child that reads would take seconds to begin.
    monkeypatch.setattr("blurbench.models.parts.released.guarded", None)
    for suffix in (".pth", ".safetensors", ".npz", ".json"):
        path = tmp_path / f"weights{suffix}"
        path.write_bytes(data)
        with pytest.raises(UserError, match=f"{path.name}: {told}"):
            read_checkpoint(path)


def test_the_class_that_a_pickle_names_is_told(tmp_path):
    torch.save({"a": torch.ones(2), "args": argparse.Namespace(lr=1)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"holds argparse.Namespace, whose code would run"):
        read_checkpoint(tmp_path / "weights.pth")
