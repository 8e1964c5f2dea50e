"""The kernel of a pair comes back from its row."""

import json

import naive
import numpy as np
import pytest
from tiny_data import face_recipe, flow_recipe, write_faces, write_photos

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.datasets.mean_kernel import mean_kernel, mean_line
from blurbench.errors import UserError
from blurbench.sources.open import open_for
from blurbench_kernels.convolution import convolve
from blurbench_kernels.motion_flow import Motion

SIZE = (60, 72)  # of the sharp pictures before their crop


def split(tmp_path, recipe, write=write_photos):
    write(tmp_path / "sharp", 8)
    synthesize(recipe, open_for(recipe, str(tmp_path / "sharp")), tmp_path / "data")
    return BlurDataset(tmp_path / "data", "train")


@pytest.mark.parametrize("mode", ["compat", "physical"])
def test_of_a_flow_it_is_the_mean_line_over_the_picture_that_was_kept(tmp_path, mode):
    target = {"bins": [[6.0, 12.0]]} if mode == "physical" else None
    recipe = flow_recipe(blur__mode=mode, blur__target=target, blur__preset="strong")
    data = split(tmp_path, recipe)
    for row in data.rows:
        motion = Motion(**json.loads(row["parameters"]))
        (u, v), _ = motion.rounded(*SIZE, mode)
        rows, columns = (SIZE[0] - row["height"]) // 2, (SIZE[1] - row["width"]) // 2
        kept = np.s_[rows : SIZE[0] - rows, columns : SIZE[1] - columns]
        wanted = np.zeros((201, 201))
        for mu, mv in zip(u[kept].ravel(), v[kept].ravel(), strict=True):
            line = naive.line_kernel(mu, mv)
            reach = len(line) // 2
            wanted[100 - reach : 101 + reach, 100 - reach : 101 + reach] += line
        found = mean_kernel(recipe, row)
        reach = len(found) // 2
        inner = wanted[100 - reach : 101 + reach, 100 - reach : 101 + reach]
        np.testing.assert_allclose(found, inner / wanted.sum(), atol=1e-12)
        assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "blur",
    [
        {"family": "trajectory", "sizes": [7, 9], "anxiety": [0.0, 0.1]},
        {"family": "trajectory", "sizes": [9], "anxiety": [0.0, 0.1], "count": 3},
        {"family": "mixture", "parts": [{"family": "disk", "radius": [2.0, 4.0]}]},
    ],
)
def test_of_one_kernel_it_makes_the_blurred_picture_again(tmp_path, blur):
    recipe = flow_recipe(blur=blur)
    data = split(tmp_path, recipe)
    for row in data.rows:
        kernel = mean_kernel(recipe, row)
        reach = max(kernel.shape) // 2
        inside = np.s_[reach:-reach, reach:-reach]
        again = convolve(data.picture(row, "sharp").astype(float), kernel)
        difference = again[inside] - data.picture(row, "blur")[inside]
        assert np.abs(difference).max() <= 0.5 + 1e-6


def test_the_crop_of_a_face_does_not_matter(tmp_path):
    recipe = face_recipe()
    data = split(tmp_path, recipe, write_faces)
    for row in data.rows:
        assert mean_kernel(recipe, row).shape[0] == json.loads(row["parameters"])["size"]


def test_a_pair_that_stayed_sharp_has_one_pixel(tmp_path):
    recipe = flow_recipe(identity=1.0)
    assert mean_kernel(recipe, split(tmp_path, recipe).rows[0]).tolist() == [[1.0]]


def test_other_parameters_are_told(tmp_path):
    recipe = flow_recipe()
    row = split(tmp_path, recipe).rows[0]
    other = json.dumps({**json.loads(row["parameters"]), "tx": 1.0})
    with pytest.raises(UserError, match=f"{row['id']}: its kernel cannot be drawn again"):
        mean_kernel(recipe, {**row, "parameters": other})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"blur": {"family": "camera", "anxiety": [0.0, 0.1]}}, "family camera"),
        ({"region": {"kind": "box", "side": 32}}, "a part of each picture"),
    ],
)
def test_what_has_no_mean_kernel_is_refused(changes, why):
    with pytest.raises(UserError, match=why):
        mean_kernel(flow_recipe(**changes), {})


def test_a_flow_of_one_motion_is_its_line():
    u, v = np.full((4, 5), 7, np.int32), np.full((4, 5), -3, np.int32)
    found, wanted = mean_line(u, v), naive.line_kernel(7, -3)
    spare = (len(wanted) - len(found)) // 2  # rings of zeros
    np.testing.assert_allclose(np.pad(found, spare), wanted, atol=1e-12)


def test_a_picture_that_is_smaller_than_its_blur_after_the_crop(tmp_path):
    changes = {"blur__mode": "physical", "blur__target": {"bins": [[20.0, 24.0]]}}
    recipe = flow_recipe(**changes, blur__preset="strong", blur__severity=None)
    data = split(tmp_path, recipe)
    assert any(min(row["width"], row["height"]) < row["severity_max_px"] + 32 for row in data.rows)
    assert all(mean_kernel(recipe, row).sum() == pytest.approx(1) for row in data.rows)
