"""The measures of single papers, against slow oracles."""

import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.metrics import PROTOCOLS, compute
from blurbench.metrics.features import load_features, pixels
from blurbench.metrics.recognition import Gallery
from blurbench.metrics.regions import box_iou


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    sharp = rng.integers(0, 256, (24, 20, 3), np.uint8)
    return np.clip(sharp + rng.normal(0, 9, sharp.shape), 0, 255).astype(np.uint8), sharp


def test_classes_are_compared_on_black(pair):
    restored, sharp = pair
    mask = np.zeros((24, 20), np.uint8)
    mask[:12] = 3
    error = np.sum((restored[:12].astype(float) - sharp[:12]) ** 2) / sharp.size
    score = compute("psnr-hair", restored, sharp, mask=mask)
    assert score == pytest.approx(10 * math.log10(255**2 / error))
    upper = [np.where((mask == 3)[..., None], image, 0).astype(np.uint8) for image in pair]
    assert compute("ssim-hair", restored, sharp, mask=mask) == compute("ssim", *upper)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "pyiqa"])
def test_a_class_is_scored_as_the_protocol_says(pair, protocol):
    """Of a picture between grey levels too, as a network gives it."""
    sharp = np.kron(pair[1], np.ones((3, 3, 1), np.uint8))
    restored = np.clip(sharp / 255 + np.random.default_rng(1).normal(0, 0.02, sharp.shape), 0, 1)
    mask = np.zeros(sharp.shape[:2], np.uint8)
    mask[20:] = 1
    inside = (mask == 1)[..., None]
    for metric in ("psnr", "ssim"):
        score = compute(f"{metric}-skin", restored, sharp, protocol, mask=mask)
        wanted = compute(metric, restored * inside, sharp * inside, protocol)
        assert score == pytest.approx(wanted, abs=1e-6)


def test_networks_see_whole_grey_levels_under_every_protocol(pair):
    seen = []

    def look(image):
        seen.append(image.dtype)
        return np.zeros((24, 20), np.uint8)

    for protocol in PROTOCOLS:
        tools = {"features": look, "segmenter": look, "mask": look(pair[1]), "identity": "a"}
        tools["gallery"] = Gallery(lambda image: look(image)[0], np.zeros((1, 20)), ["a"])
        for metric in ("vgg-face", "f-score-background", "top-1"):
            compute(metric, pair[0] / 255, pair[1], protocol, **tools)
    assert set(seen) == {np.dtype(np.uint8)}


def test_the_squared_errors_of_the_classes_add_up(pair):
    mask = np.random.default_rng(0).integers(0, 4, (24, 20), np.uint8)
    names = ["background", "skin", "parts", "hair"]
    errors = [10 ** (-compute(f"psnr-{name}", *pair, mask=mask) / 10) for name in names]
    assert sum(errors) == pytest.approx(10 ** (-compute("psnr", *pair) / 10))


def test_an_absent_class_has_no_score(pair):
    mask = np.zeros((24, 20), np.uint8)
    assert math.isnan(compute("psnr-skin", *pair, mask=mask))
    assert math.isnan(compute("ssim-skin", *pair, mask=mask))
    assert math.isnan(compute("f-score-skin", *pair, mask=mask, segmenter=lambda _: mask))


def test_f_is_twice_the_overlap_over_both(pair):
    true, found = np.zeros((24, 20), np.uint8), np.zeros((24, 20), np.uint8)
    true[:10], found[5:15] = 2, 2  # 10 rows each, 5 shared
    score = compute("f-score-parts", *pair, mask=true, segmenter=lambda _: found)
    precision, recall = 5 / 10, 5 / 10
    assert score == pytest.approx(2 * precision * recall / (precision + recall))


boxes = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 9)] * 2)


@given(boxes, boxes)
def test_iou_counts_pixels(first, second):
    inked = []
    for left, top, width, height in (first, second):
        canvas = np.zeros((30, 30), bool)
        canvas[top : top + height, left : left + width] = True
        inked.append(canvas)
    union = (inked[0] | inked[1]).sum()
    wanted = (inked[0] & inked[1]).sum() / union if union else 0
    assert box_iou(first, second) == pytest.approx(wanted)


def test_iou_of_a_detection(pair):
    score = compute(
        "region-iou", *pair, blur=pair[0], box=(0, 0, 4, 4), detector=lambda _: (2, 0, 4, 4)
    )
    assert score == pytest.approx(8 / 24)


def test_top_k_counts_the_nearest():
    vectors = np.array([[3.0], [1.0], [2.0], [9.0]])
    gallery = Gallery(lambda image: image[0, 0, :1].astype(float), vectors, ["c", "a", "b", "d"])
    image = np.zeros((2, 2, 3), np.uint8)
    for count, who in ((1, {"a"}), (3, {"a", "b", "c"})):
        for name in "abcd":
            hit = compute(f"top-{count}", image, image, identity=name, gallery=gallery)
            assert hit == (name in who)


def test_faces_of_one_person_are_nearest_to_each_other():
    """Sharp probes of real people, against a loop over all distances."""
    root = os.environ.get("BLURBENCH_SHARED")
    if not root:
        pytest.skip("BLURBENCH_SHARED does not name a folder of reference data")
    folders = sorted(p for p in Path(root, "data/faces/orl_identities").rglob("s*") if p.is_dir())
    people = {f.name: [read_image(p) for p in sorted(f.glob("*.pgm"))] for f in folders[:10]}
    known = [(name, image) for name, images in people.items() for image in images[1:]]
    vectors = np.stack([pixels(image) for _, image in known])
    gallery = Gallery(pixels, vectors, [name for name, _ in known])
    hits = {1: [], 5: []}
    for name, images in people.items():
        distances = sorted(
            (float(np.sum((pixels(images[0]) - pixels(i)) ** 2)), n) for n, i in known
        )
        for count, seen in hits.items():
            hit = compute(f"top-{count}", images[0], images[0], identity=name, gallery=gallery)
            assert hit == (name in [n for _, n in distances[:count]])
            seen.append(hit)
    assert np.mean(hits[5]) >= np.mean(hits[1]) > 0.5


def test_features_come_from_an_exported_network(pair, tmp_path):
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    program = torch.export.export(network, (torch.zeros(1, 3, 24, 20),))
    torch.export.save(program, tmp_path / "net.pt2")
    features = load_features(str(tmp_path / "net.pt2"))
    wanted = (pair[0] / 255).reshape(6, 4, 5, 4, 3).mean((1, 3)).transpose(2, 0, 1).ravel()
    assert features(pair[0]) == pytest.approx(wanted, abs=1e-6)
    score = compute("vgg-face", *pair, features=features)
    assert score == pytest.approx(np.linalg.norm(features(pair[0]) - features(pair[1])))


@pytest.mark.parametrize(("size", "how"), [((12, 10), "means"), ((48, 40), "lines")])
def test_pictures_are_resized_for_a_network_of_one_size(pair, tmp_path, size, how):
    program = torch.export.export(nn.Flatten(), (torch.zeros(1, 3, *size),))
    torch.export.save(program, tmp_path / "net.pt2")
    found = load_features(str(tmp_path / "net.pt2"))(pair[0]).reshape(3, *size)
    if how == "means":
        wanted = pair[0].reshape(12, 2, 10, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    else:
        x = torch.from_numpy(pair[0].transpose(2, 0, 1))[None].double()
        wanted = nn.functional.interpolate(x, size, mode="bilinear")[0].numpy()
    assert 255 * found == pytest.approx(wanted, abs=0.76)  # rounded


def test_a_network_of_any_size_gets_pictures_as_they_are(pair, tmp_path):
    sides = {2: torch.export.Dim("height", max=99), 3: torch.export.Dim("width", max=99)}
    network, example = nn.Flatten(), (torch.zeros(1, 3, 8, 9),)
    program = torch.export.export(network, example, dynamic_shapes=(sides,))
    torch.export.save(program, tmp_path / "net.pt2")
    assert load_features(str(tmp_path / "net.pt2"))(pair[0]).size == pair[0].size


def test_a_network_of_torch_export_is_told_to_be_a_program(tmp_path, capfd):
    program = torch.export.export(nn.Flatten(), (torch.zeros(1, 3, 8, 9),))
    torch.export.save(program, tmp_path / "net.pt2")
    damaged = (tmp_path / "net.pt2").read_bytes().replace(b"PK", b"KP", 2)
    (tmp_path / "bad.pt2").write_bytes(damaged)
    for _ in range(2):
        load_features(str(tmp_path / "net.pt2"))
    with pytest.raises(UserError, match=r"bad\.pt2: not a network of torch\.export"):
        load_features(str(tmp_path / "bad.pt2"))
    told = "a program, which runs as code of yours; use files of your own alone"
    lines = [f"{tmp_path / name}: {told}" for name in ("net.pt2", "bad.pt2")]
    assert capfd.readouterr().err.splitlines() == lines
    assert not logging.root.manager.disable


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt2"])
def test_what_was_saved_in_the_place_of_weights_is_named_at_once(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("blurbench.metrics.networks.state_dicts.guarded", None)
    path = tmp_path / f"w{suffix}"
    for data, told in ((b"version https://git-lfs.github.com", "a Git LFS"), (b"", "is empty")):
        path.write_bytes(data)
        with pytest.raises(UserError, match=told):
            load_features(str(path))


def test_vgg_face_fills_a_vgg16(pair, tmp_path):
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    theirs = make_layers(cfgs["D"])
    state = {
        f"layer{i}.{name}": value for i, (name, value) in enumerate(theirs.state_dict().items())
    }
    torch.save(state, tmp_path / "vgg_face.pth")
    image = np.kron(pair[0], np.ones((2, 2, 1), np.uint8))
    features = load_features(str(tmp_path / "vgg_face.pth"))
    x = torch.from_numpy(image.transpose(2, 0, 1)).float()[None]
    x = x - torch.tensor([129.1863, 104.7624, 93.5940]).view(1, 3, 1, 1)
    with torch.no_grad():
        assert features(image) == pytest.approx(theirs(x).flatten().numpy(), abs=1e-4)


def test_weights_are_read_in_a_child(tmp_path, monkeypatch):
    def dead(_function, _data, *, name, seconds):
        assert seconds == 15  # and more for a larger file
        raise UserError(f"{name}: took too long")

    monkeypatch.setattr("blurbench.metrics.networks.state_dicts.guarded", dead)
    (tmp_path / "vgg_face.pth").write_bytes(b"no")
    with pytest.raises(UserError, match="took too long"):
        load_features(str(tmp_path / "vgg_face.pth"))


def test_what_is_no_network_is_told(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_features(str(tmp_path / "none.pth"))
    for name in ("bad.pth", "bad.pt2"):
        (tmp_path / name).write_bytes(b"no")
        with pytest.raises(UserError, match=name):
            load_features(str(tmp_path / name))


def test_the_distance_of_two_faces_is_that_of_their_vectors(pair):
    wanted = np.linalg.norm(pixels(pair[0]) - pixels(pair[1]))
    assert compute("face-distance", *pair, embedding=pixels) == pytest.approx(wanted)
    assert compute("face-distance", pair[1], pair[1], embedding=pixels) == 0


def test_faces_are_cut_out_of_both_pictures_where_the_sharp_one_has_them(pair):
    seen = []

    def faces(image):
        seen.append(image)
        return [(4, 5, 8, 10), (-3, 12, 10, 10)]

    found = compute("found-face-distance", *pair, embedding=pixels, faces=faces)
    assert seen[0] is pair[1]
    wanted = []
    for left, top in ((2, 4), (-4, 11)):  # a square of 12 px around each
        cuts = []
        for image in pair:
            wide = np.pad(image, ((20, 20), (20, 20), (0, 0)), "edge")
            cuts.append(wide[top + 20 : top + 32, left + 20 : left + 32])
        wanted.append(np.linalg.norm(pixels(cuts[0]) - pixels(cuts[1])))
    assert found == pytest.approx(np.mean(wanted))
    assert math.isnan(compute("found-face-distance", *pair, embedding=pixels, faces=lambda _: []))
