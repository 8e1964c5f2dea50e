import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_data

from blurbench.blurs.registry import FAMILIES, parts_of
from blurbench.errors import UserError


def complaint(blur: dict, **changes) -> str:
    with pytest.raises(UserError) as error:
        tiny_data.flow_recipe(blur=blur, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


SHAKE = {"family": "trajectory", "anxiety": [0.0, 0.1]}
SHOT = {"family": "shot", "type": "gaussian", "size": 3}
BANK = {"family": "bank", "file": "k.npy", "apply": "correlation", "transpose": False}
LINE = {"family": "line", "length": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("blur", "words"),
    [
        ({"family": "fog"}, ["blur.family: must be one of", "motion_flow", "mixture"]),
        ({}, ["blur.family: must be one of", "motion_flow", "mixture"]),
        ({"family": ["line"]}, ["blur.family: must be one of"]),
        (3, ["blur: must be a table that names a family (is 3)"]),
        ({"family": "mixture", "parts": [3]}, ["blur.parts.0: must be a table"]),
        ({"family": "mixture", "parts": 3}, ["blur.parts: should be a valid"]),
        ({"family": "line", "length": ["a", 2.0]}, ["blur.length.0:", "valid number"]),
        ({"family": "line"}, ["blur: give length or a target"]),
        ({"family": "line", "length": [-1.0, 2.0]}, ["blur.length.0:", "greater than 0"]),
        ({"family": "line", "length": [3.0, 2.0]}, ["blur.length:", "lower end"]),
        ({"family": "line", "lenght": [1.0, 2.0]}, ["blur.lenght: unknown field", "length, angle"]),
        ({"family": "disk", "radius": [1.0, 2.0], "target": {"bins": [[1.0, 2.0]]}}, ["or a targ"]),
        ({"family": "disk", "target": {"bins": []}}, ["blur.target.bins:", "at least 1"]),
        ({"family": "disk", "target": {"bins": [[2.0, 1.0]]}}, ["blur.target.bins.0:", "lower"]),
        ({"family": "disk", "target": {"bin": 1}}, ["target.bin: unknown field", "bins, unit"]),
        ({"family": "disk", "target": {"bins": [[1.0, 2.0]], "unit": "cm"}}, ["'px' or 'width'"]),
        (SHAKE, ["blur: give sizes or a target"]),
        ({**SHAKE, "sizes": [8]}, ["blur.sizes: kernel sizes must be odd, not 8"]),
        ({**SHAKE, "sizes": [9], "order": "replica"}, ["needs a count"]),
        ({**SHAKE, "sizes": [9], "exposure": [0.0, 1.0]}, ["blur.exposure.0:", "greater than 0"]),
        ({**SHAKE, "sizes": [9], "exposure": []}, ["blur.exposure:", "at least 1"]),
        (SHOT, ["blur: gaussian takes size, sigma"]),
        ({**SHOT, "sigma": 1.0, "factor": 2.0}, ["blur: gaussian takes size, sigma"]),
        ({**SHOT, "type": "soft"}, ["blur.type:", "'horizontal'"]),
        ({"family": "frame_average", "frames": [7, 8]}, ["blur.frames: frames must be odd"]),
        ({**BANK, "apply": "both"}, ["blur.apply:", "'convolution' or 'correlation'"]),
        ({"family": "mixture", "parts": []}, ["blur.parts:", "at least 1"]),
        ({"family": "mixture", "parts": [LINE], "weights": [0.5, 0.5]}, ["2 weights for 1 parts"]),
        ({"family": "mixture", "parts": [LINE, LINE], "weights": [1.0, 1.0]}, ["add up to 1"]),
        ({"family": "mixture", "parts": [{"family": "fog"}]}, ["blur.parts.0.family: must be"]),
        ({"family": "mixture", "parts": [{**LINE, "x": 1}]}, ["blur.parts.0.x: unknown field"]),
    ],
)
def test_one_line_names_the_field_and_what_is_allowed(blur, words):
    text = complaint(blur)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"region": {"kind": "class"}}, ['needs labels = ["mask"]']),
        ({"region": {"kind": "box"}}, ["region: a box needs its side"]),
        ({"region": {"kind": "class", "side": 64}}, ["region: a box needs its side"]),
        ({"recognition": {"probes": 1, "gallery": 1}}, ['needs labels = ["identity"]']),
        (
            {"sensor": {"light": "encoded", "shot_noise": 0.1}},
            ["sensor: highlights, noise, raw and r"],
        ),
        ({"blur": {**SHOT, "sigma": 1.0}, "sensor": {}}, ["concert blurs take 8-bit pictures"]),
        ({"sensor": {"jpeg": [90, 80]}}, ["sensor.jpeg:", "lower end"]),
        ({"sensor": {"gamma": 2.2}}, ["sensor.gamma: unknown field", "light, curve"]),
        ({"images": {"train": -1}}, ["images.train:", "greater than or equal to 0"]),
        ({"identity": 2.0}, ["identity:", "less than or equal to 1"]),
    ],
)
def test_tables_that_do_not_fit_together_are_told(changes, words):
    text = complaint(**{"blur": LINE, **changes})
    assert all(word in text for word in words), text


def test_one_exposure_may_stand_without_brackets():
    one, many = (
        tiny_data.flow_recipe(blur={**SHAKE, "sizes": [9], "exposure": given})
        for given in (0.5, [0.5])
    )
    assert one.pixels() == many.pixels()


def test_every_family_has_its_name():
    for name, table in FAMILIES.items():
        assert table.model_fields["family"].annotation.__args__ == (name,)


def test_parts_of_a_mixture_and_of_one_family():
    mixture = tiny_data.flow_recipe(
        blur={"family": "mixture", "parts": [LINE, SHOT | {"sigma": 1.0}]}
    )
    assert [part.family for part in parts_of(mixture.blur)] == ["line", "shot"]
    assert mixture.shots
    single = tiny_data.flow_recipe(blur=LINE)
    assert parts_of(single.blur) == (single.blur,)
    assert not single.shots


def test_windows_of_frames_follow_from_the_longest_average():
    frames = {"family": "frame_average", "frames": [7, 13]}
    assert tiny_data.flow_recipe(blur=frames).frames == (13, 13)
    assert tiny_data.flow_recipe(blur={**frames, "step": 4}).frames == (13, 4)
    assert tiny_data.flow_recipe(blur=LINE).frames is None


def test_other_packages_add_families_through_an_entry_point(tmp_path):
    (tmp_path / "fog.py").write_text(
        "from typing import Literal\n"
        "from blurbench.blurs.base import Blurred, Family\n"
        "class Fog(Family):\n"
        "    family: Literal['fog']\n"
        "    grey: int = 128\n"
        "    def blur(self, scene):\n"
        "        image = scene.image // 2 + self.grey // 2\n"
        "        return Blurred(image, (0, 0), {}, (1.0, 1.0), self.family)\n"
    )
    info = tmp_path / "fog-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fog\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[blurbench.kernels]\nfog = fog:Fog\n")
    code = (
        "import numpy as np, tiny_data\n"
        "from blurbench.sources.open import Sharp\n"
        "from blurbench.datasets.pair import make_pair\n"
        "recipe = tiny_data.flow_recipe(blur={'family': 'fog'}, crop__borders=False)\n"
        "sharp = Sharp(np.zeros((40, 40, 3), np.uint8), None, '')\n"
        "pair = make_pair(recipe, 0, 'a', 'train', 0, sharp)\n"
        "assert (pair.blur == 64).all() and pair.row['kernel_family'] == 'fog'\n"
    )
    paths = [str(tmp_path), str(Path(__file__).parents[1] / "helpers")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
