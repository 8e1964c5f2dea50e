"""What a lens blurs, by how much, and what its rows tell."""

import hashlib
import json

import numpy as np
import pytest
import tiny_data

from blurbench.blurs.defocus import Defocus
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import Sharp

LENGTH = {"bins": [[8.0, 8.0]]}
NONE = np.zeros((96, 96), np.uint16)


def pair_of(replica=0, image=None, mask=None, labels=(), map=None, **fields):
    recipe = tiny_data.flow_recipe(
        blur={"family": "defocus", **fields},
        crop__borders=False,
        noise__sigma=0.0,
        labels=[*labels],
    )
    picture = tiny_data.picture(0, 96, 96) if image is None else image
    return make_pair(
        recipe, 0, "a.png", "train", replica, Sharp(picture, mask, "0" * 64, depth=map)
    )


def test_a_target_is_the_mean_diameter():
    for replica in range(4):
        row = pair_of(replica, target=LENGTH, tilt=20.0).row
        assert row["severity_mean_px"] == pytest.approx(8, abs=1e-3)
        assert row["severity_max_px"] >= 8
        drawn = json.loads(row["parameters"])
        assert 0.5 <= drawn["focus"] <= 2
        assert drawn["aperture"] > 0


def test_an_aperture_is_the_radius_of_what_is_infinitely_far():
    # The plane is at 1, the lens at 0.5: aperture * |1 - 2|.
    row = pair_of(aperture=[5.0, 5.0], focus=[0.5, 0.5]).row
    assert row["severity_mean_px"] == row["severity_max_px"] == 10


def test_what_is_in_focus_stays_sharp():
    pair = pair_of(aperture=[30.0, 30.0], focus=[1.0, 1.0], tilt=30.0)
    changed = (pair.blur != pair.sharp).any(axis=2)
    assert not changed[47:49, 47:49].any()  # the plane's middle
    assert changed.mean() > 0.3


def test_what_a_mask_marks_is_nearer():
    mask = np.zeros((96, 96), np.uint8)
    mask[30:70, 30:70] = 2
    settings = {
        "depth": "mask",
        "aperture": [6.0, 6.0],
        "near": [0.5, 0.5],
        "labels": ["mask"],
        "mask": mask,
    }
    behind, before = (pair_of(**settings, focus=[at, at]) for at in (1.0, 0.5))
    for pair, sharp in ((behind, mask == 0), (before, mask > 0)):
        changed = (pair.blur != pair.sharp).any(axis=2)
        inside = sharp & ~near_edge(mask, 8)
        assert not changed[inside].any()
        assert changed[~sharp & ~near_edge(mask, 8)].mean() > 0.5
    assert behind.row["severity_max_px"] == 12


def walls():
    """(H, W) uint16: a wall 20000 away, right of it one that is half as far."""
    stored = np.full((96, 96), 20000, np.uint16)
    stored[:, 60:] = 10000
    return stored


def test_a_map_tells_what_is_in_focus():
    lens = {"depth": "map", "aperture": [6.0, 6.0]}
    far = pair_of(**lens, map=walls(), focus=[1.0, 1.0])
    near = pair_of(**lens, map=walls(), focus=[0.5, 0.5])
    for pair, sharp in ((far, np.s_[:, :53]), (near, np.s_[:, 60:])):
        np.testing.assert_array_equal(pair.blur[sharp], pair.sharp[sharp])
        assert (pair.blur != pair.sharp).any(axis=2).mean() > 0.3
    assert far.row["severity_max_px"] == near.row["severity_max_px"] == 12


def test_a_row_holds_the_hash_of_its_depth_map():
    lens = {"depth": "map", "aperture": [6.0, 6.0], "focus": [1.0, 1.0]}
    maps = (walls(), walls(), walls()[:, ::-1])
    told = [json.loads(pair_of(**lens, map=each).row["parameters"]) for each in maps]
    here, again, other = (each["depth_sha256"] for each in told)
    assert here == again == hashlib.sha256(walls().tobytes()).hexdigest() != other
    assert "depth_sha256" not in json.loads(pair_of(target=LENGTH).row["parameters"])


def test_a_map_may_hold_1_by_distance_and_a_unit_is_none():
    lens = {"depth": "map", "aperture": [6.0, 6.0], "focus": [1.0, 1.0]}
    distances = pair_of(**lens, map=walls())
    assert (pair_of(**lens, map=walls() // 100).blur == distances.blur).all()
    inverse = pair_of(**lens, stored="inverse", map=(2 * 10**8 // walls().astype(int)).astype("u2"))
    assert (inverse.blur == distances.blur).all()


def test_what_a_map_does_not_know_is_as_near_as_what_is_around():
    stored = walls()
    stored[40:44, 20:24] = 0
    lens = {"depth": "map", "aperture": [6.0, 6.0], "focus": [1.0, 1.0]}
    assert (pair_of(**lens, map=stored).blur == pair_of(**lens, map=walls()).blur).all()


def near_edge(mask, reach):
    edge = np.zeros(mask.shape, bool)
    inside = mask > 0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            edge |= np.roll(inside, (dy, dx), axis=(0, 1)) != inside
    return edge


def test_a_lens_can_move_as_well():
    motion = {"family": "trajectory", "anxiety": [0.003, 0.01], "target": {"bins": [[12.0, 12.0]]}}
    alone = pair_of(target=LENGTH).row
    both = pair_of(target=LENGTH, motion=motion)
    drawn = json.loads(both.row["parameters"])
    assert drawn["focus"] == json.loads(alone["parameters"])["focus"]
    assert drawn["motion"]["kernel"]
    assert both.row["severity_mean_px"] == pytest.approx(20, abs=2)
    assert both.row["kernel_family"] == "defocus"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"focus": [1.0, 1.0], "target": LENGTH}, "all of it is in focus"),
        ({"depth": "mask", "target": LENGTH}, r'needs labels = \["mask"\]'),
        ({"depth": "map", "target": LENGTH}, "has no depth map"),
        ({"depth": "map", "target": LENGTH, "map": NONE}, "all 0, which is unknown"),
        ({"depth": "map", "stored": "inverse", "target": LENGTH, "map": NONE}, "infinitely far"),
        ({"aperture": [64.0, 64.0], "focus": [0.1, 0.1]}, "too small"),
        ({"target": LENGTH, "tilt": 45.0, "focal": 0.2}, "lower blur.tilt"),
    ],
)
def test_what_cannot_be_is_one_line(fields, told):
    with pytest.raises(UserError, match=told):
        pair_of(**fields)


def test_a_recipe_states_an_aperture_or_a_target():
    for fields in ({}, {"aperture": (1.0, 2.0), "target": {"bins": ((8.0, 8.0),)}}):
        with pytest.raises(ValueError, match="aperture or a target"):
            Defocus(family="defocus", **fields)


def test_the_mix_has_every_kind():
    recipe = load_recipe("severe-mix")
    image = tiny_data.picture(0, 96, 128)
    rows = [
        make_pair(recipe, 0, f"{n}.png", "train", 0, Sharp(image, None, "")).row for n in range(40)
    ]
    parts = {json.loads(row["parameters"])["part"] for row in rows}
    assert parts == set(range(6))
    assert len({row["kernel_family"] for row in rows}) == 4
