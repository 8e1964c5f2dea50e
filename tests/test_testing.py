"""Every model, blur family and metric keeps its contract, and what breaks it is told."""

import sys
import types
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.blurs.bank import Bank
from blurbench.blurs.base import Blurred, Family, Scene
from blurbench.blurs.registry import FAMILIES
from blurbench.blurs.shot import SHOT_FIELDS
from blurbench.metrics import METRICS, PROTOCOLS, Metric
from blurbench.metrics.recognition import Gallery
from blurbench.models import MODELS, model_class
from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.testing import SIDE, check_family, check_metric, check_model

LENGTH = {"bins": [[8.0, 9.0]]}
LINE = {"family": "line", "length": [3.0, 9.0], "angle": [20.0, 40.0]}
SHAKE = {"family": "trajectory", "sizes": [7, 9], "anxiety": [0.0, 0.1], "count": 4}
SHOT = {
    "size": 5,
    "sigma": 2.0,
    "diameter": 9,
    "sigma_color": 75.0,
    "sigma_space": 75.0,
    "factor": 4.0,
}
FLOW = {"family": "motion_flow", "preset": "mild", "severity": [0.1, 0.5]}
TABLES: list[dict[str, Any]] = [
    FLOW,
    {"family": "motion_flow", "preset": "strong", "mode": "physical", "target": LENGTH},
    SHAKE,
    {"family": "trajectory", "anxiety": [0.0, 0.1], "target": LENGTH},
    {"family": "camera", "anxiety": [0.003, 0.01], "tilt": 5.0, "target": LENGTH, "readout": 0.5},
    LINE,
    {"family": "defocus", "tilt": 5.0, "target": LENGTH},
    {"family": "gaussian", "sigma": [1.0, 2.0]},
    {"family": "disk", "radius": [2.0, 4.0]},
    *(
        {"family": "shot", "type": kind, **{name: SHOT[name] for name in fields}}
        for kind, fields in SHOT_FIELDS.items()
    ),
    {"family": "frame_average", "frames": [7, 9]},
    {"family": "frame_average", "frames": [3], "duty": 0.6, "between": 1, "readout": 0.3},
    {"family": "mixture", "parts": [LINE, SHAKE], "weights": [0.5, 0.5]},
    {"family": "layers", "background": FLOW, "objects": FLOW, "count": 3},
]


def told(check, *arguments, **options):
    with pytest.raises(AssertionError) as error:
        check(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_contract(name):
    torch.manual_seed(0)
    # A quarter of the pixels of the larger crops, which is all that the time goes into.
    smaller = {"crop_size": 64} if model_class(name).PRESETS["tiny"].crop_size else {}
    check_model(name, **smaller)


# Whatever is new in the table blurs by its defaults; one without any needs a line above.
TABLES += [
    {"family": name} for name in FAMILIES.keys() - {"bank", *(table["family"] for table in TABLES)}
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: " ".join(map(str, table.values()))[:40])
def test_every_family_keeps_the_contract(table):
    check_family(table)


def test_a_bank_keeps_the_contract(tmp_path):
    np.save(tmp_path / "k.npy", np.random.default_rng(0).random((4, 5, 7)))
    bank = Bank(family="bank", file="k.npy", apply="correlation", transpose=False)
    check_family(bank.located(tmp_path))
    assert "lie beside a recipe's file" in told(check_family, bank)


WEIGHTS = {
    *("lpips", "lpips-vgg", "dists", "niqe", "ilniqe", "brisque", "musiq", "maniqa", "topiq_nr"),
}


@pytest.fixture(scope="module")
def labels():
    """What metrics need beside the pictures, true to the sharp one."""
    bands = np.repeat(np.arange(SIDE)[:, None] * 4 // SIDE, SIDE, axis=1)
    box = (0, 0, 8, 8)
    near = np.random.default_rng(0).normal(0, 1, (6, SIDE * SIDE * 3))
    return {
        "mask": bands,
        "segmenter": lambda _: bands,
        "embedding": lambda picture: picture[::8, ::8].reshape(-1).astype(float),
        "faces": lambda _: [(16, 16, 96, 96)],
        "features": lambda picture: picture[::8, ::8].reshape(-1).astype(float),
        "identity": "a",
        "gallery": Gallery(lambda picture: picture.reshape(-1).astype(float), near, list("abcdef")),
        "blur": np.zeros((SIDE, SIDE, 3), np.uint8),
        "box": box,
        "detector": lambda _: box,
    }


@pytest.mark.parametrize("name", [name for name in METRICS if name not in WEIGHTS])
def test_every_metric_keeps_the_contract(name, labels):
    check_metric(name, **labels)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_keeps_the_contract(protocol, labels):
    for name in ("psnr", "ssim", "psnr-hair", "ssim-hair"):
        check_metric(name, protocol, **labels)


class Halving(Model):
    """A network whose sides must be even, and which says so."""

    Config = ModelConfig
    PRESETS: ClassVar[dict[str, Any]] = {
        "tiny": ModelConfig(steps=1, batch_size=2, crop_size=32),
    }
    PAPER = "none"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.multiple = 2
        self.down = nn.Conv2d(3, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)

    def restore(self, blur: Tensor) -> Tensor:
        return self.up(self.down(blur))

    def inference_modules(self) -> tuple[nn.Module, ...]:
        return (self,)

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.l1_loss(self.restore(batch["blur"]), batch["sharp"])}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("all", 1.0, (Update("net", (self,), self.loss, 1e-3),)),)


class Forgetful(Halving):
    """Without `multiple`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.multiple = 1


class Unstated(Halving):
    """Without any `multiple` at all."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        del self.multiple


class Smaller(Halving):
    def deblur_counted(self, blur):
        return self.down(blur)[:, :3], {}


class Misnamed(Halving):
    def loss(self, batch):
        return {"los": F.l1_loss(self.restore(batch["blur"]), batch["sharp"])}


class Infinite(Halving):
    def loss(self, batch):
        return {"loss": self.restore(batch["blur"]).mean() / 0}


class PerPixel(Halving):
    def loss(self, batch):
        return {"loss": (self.restore(batch["blur"]) - batch["sharp"]).abs()}


class Elsewhere(Halving):
    """Its output also depends on what is not among its weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.shift = torch.rand(1) * 0.1

    def restore(self, blur):
        return super().restore(blur) + self.shift


class Unmoved(Halving):
    def loss(self, batch):
        return {"loss": batch["blur"].mean().requires_grad_()}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            Forgetful,
            ["deblur gives (1, 3, 60, 74) for (1, 3, 61, 75)", "is multiple (1) too small"],
        ),
        (Unstated, ["multiple is None"]),
        (Smaller, ["deblur gives (1, 3, 30, 37)"]),
        (Misnamed, ["stage 'all', update 'net': gives los, and no \"loss\""]),
        (Infinite, ["update 'net': loss is", "inf"]),
        (PerPixel, ["loss is (2, 3, 32, 32), not one number"]),
        (Elsewhere, ["restores another picture once its weights are saved and loaded"]),
        (Unmoved, ["no parameter of its modules takes part in its loss"]),
        (nn.Conv2d, ["is no subclass of blurbench.models.base.Model"]),
    ],
)
def test_a_model_that_breaks_the_contract_is_told(kind, words):
    torch.manual_seed(0)
    text = told(check_model, kind)
    assert text.startswith(f"model {kind.__name__}: ")
    assert all(word in text for word in words), text


def test_a_model_that_keeps_it_passes():
    check_model(Halving)
    check_model(Halving, crop_size=48)
    assert "has no preset 'paper'; it has tiny" in told(check_model, Halving, "paper")


class Hollow(Family):
    """A family without a blur."""

    family: Literal["hollow"]


class Shift(Family):
    """Each fault by its name."""

    family: Literal["shift"] = "shift"
    fault: str = ""

    def blur(self, scene: Scene) -> Blurred:
        image = scene.image.astype(np.float64)
        drawn: dict[str, Any] = {"share": scene.random.random()}
        if self.fault == "cut":
            image = image[1:]
        elif self.fault == "narrow":
            image = image.astype(np.float32)
        elif self.fault == "own random":
            image = image + np.random.default_rng().random()
        elif self.fault == "black border":
            image[0] = 0
        elif self.fault == "in place":
            scene.image[:] = 0
        elif self.fault == "array drawn":
            drawn["path"] = np.zeros(3)
        severity = None if self.fault == "no severity" else (1.0, 2.0)
        return Blurred(image, (0, 0), drawn, severity, self.family)


def test_a_family_in_the_table_without_a_blur_is_told(monkeypatch):
    monkeypatch.setitem(FAMILIES, "hollow", Hollow)
    text = told(check_family, "hollow")
    assert "abstract method" in text
    assert "blur" in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "gives (191, 192, 3) float64 for a picture of (192, 192, 3) float64"),
        ("narrow", "gives (192, 192, 3) float32 for a picture"),
        ("own random", "the same scene is blurred in two ways"),
        ("black border", "a constant picture does not stay constant, but spans 100 levels"),
        ("in place", "changes the picture that it is given"),
        ("array drawn", "drawn is no JSON"),
        ("no severity", "no severity; give it, or state MEASURED = False"),
    ],
)
def test_a_family_that_breaks_the_contract_is_told(fault, words):
    check_family(Shift())
    assert words in told(check_family, Shift(fault=fault))


def by_pixel(restored, sharp, _protocol):
    """A metric that returns an array."""
    return np.abs(restored.astype(float) - sharp)


def distance(restored, sharp, _protocol):
    return float(by_pixel(restored, sharp, None).mean())


def endless(_restored, _sharp, _protocol):
    return float("inf")


@pytest.mark.parametrize(
    ("name", "higher", "words"),
    [
        ("by_pixel", False, "gives (192, 192, 3), not a float"),
        ("distance", True, "higher is better, but a perfect picture scores 0, a blurred one "),
        ("endless", True, "gives inf"),
        ("nowhere", True, "has no attribute 'nowhere'"),
    ],
)
def test_a_metric_that_breaks_the_contract_is_told(name, higher, words, monkeypatch):
    # This file cannot be imported by a name, as a metric's function is.
    here = types.ModuleType("measures")
    vars(here).update(by_pixel=by_pixel, distance=distance, endless=endless)
    monkeypatch.setitem(sys.modules, "measures", here)
    assert words in told(check_metric, Metric(f"measures:{name}", name, higher))
    check_metric(Metric("measures:distance", "Distance", higher_is_better=False))


def test_labels_that_are_missing_are_named():
    assert "needs mask; give check_metric" in told(check_metric, "psnr-hair")
