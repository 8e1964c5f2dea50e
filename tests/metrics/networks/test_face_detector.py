"""The face detector: boxes from what the network says, against loops; faces in real photographs."""

import math

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn
from weight_files import arrays_of, write_arrays

from blurbench.errors import UserError
from blurbench.metrics.networks.face_detector import (
    ANCHORS,
    TinyFaces,
    boxes_at,
    find_faces,
    load_face_detector,
    theirs,
)
from blurbench.weights.places import paths_of, present
from blurbench.weights.registry import OUTSIDE

FILE = "tiny_face_detector_model.bin"


class Says(nn.Module):
    """A network that says the same of every picture."""

    def __init__(self, *, cells: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.out = torch.randn(1, len(ANCHORS), 5, cells, cells, generator=generator)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[2] == images.shape[3]
        return self.out


def test_boxes_are_those_of_a_loop():
    says = Says()
    found = boxes_at(says, np.zeros((90, 128, 3), np.uint8), 128)
    wanted = []
    for anchor, (usual_width, usual_height) in enumerate(ANCHORS):
        for row in range(4):
            for column in range(4):
                x, y, w, h, chance = says.out[0, anchor, :, row, column].tolist()
                if 1 / (1 + math.exp(-chance)) <= 0.5:
                    continue
                width, height = usual_width * math.exp(w), usual_height * math.exp(h)
                left = column + 1 / (1 + math.exp(-x)) - width / 2
                top = row + 1 / (1 + math.exp(-y)) - height / 2
                wanted.append([round(32 * each) for each in (left, top, width, height)])
    assert sorted(box for _, box in found) == sorted(wanted)


def test_of_one_face_one_box_is_kept():
    says = Says(cells=1)
    says.out[:] = -9
    says.out[0, 0, :, 0, 0] = torch.tensor([0.0, 0, 0, 0, 2])
    found = find_faces(says, np.zeros((64, 64, 3), np.uint8))  # at three sizes, the same box
    assert found == [[-19, -35, 103, 134]]
    says.out[:] = -9
    assert find_faces(says, np.zeros((64, 64, 3), np.uint8)) == []


def test_a_file_is_read_and_the_grid_is_of_32_px(tmp_path):
    torch.manual_seed(0)
    made = TinyFaces().eval()
    names = {name: theirs(name) for name in made.state_dict()}
    assert {"conv0/filters", "conv1/depthwise_filter", "conv5/bias", "conv8/bias"} <= {
        *names.values()
    }
    write_arrays(tmp_path / FILE, arrays_of(made, names))
    for side in (224, 448):
        with torch.no_grad():
            assert made(torch.zeros(1, 3, side, side)).shape == (1, 5, 5, side // 32, side // 32)
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    assert load_face_detector(tmp_path / FILE)(picture) == find_faces(made, picture)
    with pytest.raises(UserError, match="none: no such file; give face-detector"):
        load_face_detector(tmp_path / "none")


def test_an_astronaut_has_a_face_and_a_cup_none():
    if not present(OUTSIDE["face-detector"]):
        pytest.skip("needs: blurbench weights fetch face-detector")
    find = load_face_detector(paths_of(OUTSIDE["face-detector"])[0])
    ((left, top, width, height),) = find(data.astronaut())
    # Her eyes and her mouth are inside, by eye.
    for x, y in ((205, 105), (245, 105), (225, 145)):
        assert left < x < left + width
        assert top < y < top + height
    assert 60 < width < 140
    assert find(data.coffee()) == []
    assert find(data.rocket()) == []
