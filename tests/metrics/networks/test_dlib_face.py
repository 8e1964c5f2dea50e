"""dlib's recogniser: face-api's file is read, and gives the numbers of an outside oracle."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from weight_files import arrays_of, write_arrays

from blurbench.errors import UserError
from blurbench.metrics.features import load_features
from blurbench.metrics.networks.dlib_face import DlibFace, Residual, load_dlib_face, theirs
from blurbench.metrics.networks.face_api import manifest_of
from blurbench.weights.places import paths_of, present
from blurbench.weights.registry import OUTSIDE

FILE = "face_recognition_model.bin"


@pytest.fixture(scope="module")
def made():
    """A network of random weights that neither vanish nor grow."""
    torch.manual_seed(0)
    return DlibFace().eval()


@pytest.fixture(scope="module")
def arrays(made):
    return arrays_of(made, {name: theirs(name) for name in made.state_dict()})


def test_a_file_is_read_in_8_bits_and_in_full(tmp_path, made, arrays):
    write_arrays(tmp_path / FILE, arrays)
    faces = torch.rand(2, 3, 150, 150)
    with torch.no_grad():
        assert torch.equal(load_dlib_face(tmp_path / FILE)(faces), made(faces))
    kept = write_arrays(tmp_path / FILE, arrays, {"fc"})
    found = load_dlib_face(tmp_path / FILE).state_dict()["fc.weight"]
    assert torch.equal(found, torch.tensor(kept["fc"].T))
    assert not torch.equal(found, made.fc.weight)
    manifest_of(tmp_path / FILE).rename(tmp_path / "manifest.json")  # as it is fetched
    load_dlib_face(tmp_path / FILE)


@pytest.mark.parametrize("side", [17, 8])
def test_a_block_that_halves_adds_means_and_channels_of_zeros(side):
    """Of an even side the convolution, without a border, gives a row and a column less."""
    torch.manual_seed(0)
    block = Residual(2, 3, halves=True)
    x = torch.rand(1, 2, side, side)
    with torch.no_grad():
        inner = F.relu(block.conv1.conv(x) * block.conv1.factor[:, None, None])
        y = block.conv2(inner)[0].numpy()
        found = block(x)[0].numpy()
    half = side // 2
    assert found.shape == (3, half, half)
    assert y.shape[1] == (half if side % 2 else half - 1)
    for channel in range(3):
        for row in range(half):
            for column in range(half):
                inside = row < y.shape[1] and column < y.shape[1]
                wanted = y[channel, row, column] if inside else 0.0
                if channel < 2:
                    corner = x[0, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                    wanted += float(corner.mean())
                assert found[channel, row, column] == pytest.approx(max(wanted, 0.0), abs=1e-5)


def oracle():
    """The same network by other hands, and its tensors under the file's names."""
    shared = os.environ.get("BLURBENCH_SHARED")
    if not shared or not (file := Path(shared) / "weights" / "dlib128.pt2").is_file():
        pytest.skip("needs BLURBENCH_SHARED with weights/dlib128.pt2")
    program = torch.export.load(file)
    names = {theirs(name).replace("/", "_"): theirs(name) for name in DlibFace().state_dict()}
    held = {names[name]: value.detach().numpy() for name, value in program.state_dict.items()}
    return program.module(), held


def test_it_agrees_with_the_oracle(tmp_path):
    network, held = oracle()
    write_arrays(tmp_path / FILE, held)
    ours = load_dlib_face(tmp_path / FILE)
    torch.manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            face = torch.rand(1, 3, 150, 150)
            torch.testing.assert_close(ours(face), network(face), atol=1e-5, rtol=0)


def test_the_fetched_file_agrees_with_the_oracle():
    network, _ = oracle()
    if not present(OUTSIDE["dlib-face"]):
        pytest.skip("needs: blurbench weights fetch dlib-face")
    embed = load_features(str(paths_of(OUTSIDE["dlib-face"])[0]))
    face = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    x = torch.tensor(face).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        np.testing.assert_allclose(embed(face), network(x)[0].numpy(), atol=1e-5)


def test_faces_of_any_size_are_brought_to_its_own(tmp_path, arrays):
    write_arrays(tmp_path / FILE, arrays)
    embed = load_features(str(tmp_path / FILE))
    face = np.random.default_rng(0).integers(0, 256, (75, 75, 3), np.uint8)
    large = np.kron(face, np.ones((4, 4, 1), np.uint8))  # 300 px: means of 2x2 equal levels
    exact = np.kron(face, np.ones((2, 2, 1), np.uint8))
    assert embed(large).shape == (128,)
    np.testing.assert_allclose(embed(large), embed(exact), atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda m: m[0]["weights"].pop(), "its shards hold"),
        (lambda m: m[0]["weights"][0].update(name="other"), r"not the arrays of DlibFace \("),
        (lambda m: m[0]["weights"][-1].update(shape=[128, 256]), r"fc is .* for"),
        (lambda m: m[0]["weights"][-1].update(quantization={"dtype": "uint8"}), "lacks the field"),
        (lambda m: m[0].update(paths=["gone.bin"]), "gone.bin: cannot be read"),
        (lambda m: m[0].update(paths=["../a.bin"]), "does not lie beside it"),
    ],
)
def test_another_file_is_one_line(tmp_path, arrays, damage, told):
    write_arrays(tmp_path / FILE, arrays)
    manifest = manifest_of(tmp_path / FILE)
    held = json.loads(manifest.read_text())
    damage(held)
    manifest.write_text(json.dumps(held))
    with pytest.raises(UserError, match=told) as error:
        load_dlib_face(tmp_path / FILE)
    assert "\n" not in str(error.value)


def test_what_is_no_number_is_told(tmp_path, arrays):
    write_arrays(tmp_path / FILE, {**arrays, "fc": np.full_like(arrays["fc"], np.nan)})
    with pytest.raises(UserError, match=r"fc is .* or not finite"):
        load_dlib_face(tmp_path / FILE)
    manifest_of(tmp_path / FILE).unlink()
    with pytest.raises(UserError, match=r"weights_manifest\.json: no such file"):
        load_dlib_face(tmp_path / FILE)
