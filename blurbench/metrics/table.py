"""What can be measured: the METRICS table, without any of the code behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blurbench.metrics.classes import FACE_CLASSES

PYIQA = "blurbench.metrics.perceptual:score"
LITE0 = "blurbench.metrics.networks.lite0:distance"


@dataclass(frozen=True)
class Metric:
    """One measure of a restored picture, usually against its sharp one."""

    function: str  # "module:name" of (restored, sharp, protocol) -> float, imported when used
    title: str
    higher_is_better: bool
    unit: str = ""
    digits: int = 4  # decimals worth printing
    reference: bool = True  # whether it needs the sharp picture
    needs: tuple[str, ...] = ()  # labels and tools that the function takes by name
    options: Mapping[str, Any] = field(default_factory=dict)  # further arguments of the function


def pyiqa(title: str, higher_is_better: bool, name: str, reference: bool = True) -> Metric:
    """A metric of the pyiqa package."""
    return Metric(PYIQA, title, higher_is_better, reference=reference, options={"name": name})


def by_class(function: str, title: str, unit: str, digits: int, part: int, **extra: Any) -> Metric:
    """A metric of one face class."""
    name = f"{title}, {FACE_CLASSES[part]}"
    where = f"blurbench.metrics.faces:{function}"
    needs = ("mask", *extra.pop("tools", ()))
    return Metric(where, name, True, unit, digits, needs=needs, options={"part": part})


def by_layer(title: str, *, objects: bool) -> Metric:
    """PSNR of what moves by itself, or of what is behind it."""
    function = "blurbench.metrics.regions:layer_psnr"
    options = {"objects": objects}
    return Metric(function, title, True, "dB", 2, needs=("mask",), options=options)


def top(count: int) -> Metric:
    """Whether a probe's own identity is among its nearest gallery pictures."""
    function = "blurbench.metrics.recognition:top"
    needs = ("identity", "gallery")
    return Metric(function, f"Top-{count}", True, digits=3, needs=needs, options={"count": count})


def between_faces(function: str, title: str, *tools: str) -> Metric:
    """How far a restored face is from the sharp one, for a network that recognises people."""
    where = f"blurbench.metrics.recognition:{function}"
    return Metric(where, title, higher_is_better=False, digits=3, needs=tools)


METRICS: dict[str, Metric] = {
    "psnr": Metric("blurbench.metrics.distortion:psnr", "PSNR", True, "dB", 2),
    "ssim": Metric("blurbench.metrics.distortion:ssim", "SSIM", True),
    **{f"psnr-{FACE_CLASSES[p]}": by_class("class_psnr", "PSNR", "dB", 2, p) for p in range(4)},
    **{f"ssim-{FACE_CLASSES[p]}": by_class("class_ssim", "SSIM", "", 4, p) for p in range(4)},
    **{
        f"f-score-{FACE_CLASSES[p]}": by_class("f_score", "F", "", 3, p, tools=("segmenter",))
        for p in range(4)
    },
    "vgg-face": Metric(
        "blurbench.metrics.features:distance",
        "VGG-Face distance",
        higher_is_better=False,
        digits=2,
        needs=("features",),
    ),
    "top-1": top(1),
    "top-3": top(3),
    "top-5": top(5),
    "face-distance": between_faces("face_distance", "Face distance", "embedding"),
    "found-face-distance": between_faces(
        "found_face_distance", "Face distance, faces found", "embedding", "faces"
    ),
    "region-iou": Metric(
        "blurbench.metrics.regions:detection_iou",
        "IoU of the blurred region",
        higher_is_better=True,
        digits=3,
        needs=("blur", "box", "detector"),
    ),
    "psnr-objects": by_layer("PSNR, objects", objects=True),
    "psnr-behind": by_layer("PSNR, behind the objects", objects=False),
    "lite0": Metric(LITE0, "Lite0 distance", higher_is_better=False),
    "lpips": pyiqa("LPIPS", higher_is_better=False, name="lpips"),
    "lpips-vgg": pyiqa("LPIPS (VGG)", higher_is_better=False, name="lpips-vgg"),
    "dists": pyiqa("DISTS", higher_is_better=False, name="dists"),
    "fsim": pyiqa("FSIM", higher_is_better=True, name="fsim"),
    "vsi": pyiqa("VSI", higher_is_better=True, name="vsi"),
    "vif": pyiqa("VIF", higher_is_better=True, name="vif"),
    "gmsd": pyiqa("GMSD", higher_is_better=False, name="gmsd"),
    "nlpd": pyiqa("NLPD", higher_is_better=False, name="nlpd"),
    "mad": pyiqa("MAD", higher_is_better=False, name="mad"),
    "ms_ssim": pyiqa("MS-SSIM", higher_is_better=True, name="ms_ssim"),
    "cw_ssim": pyiqa("CW-SSIM", higher_is_better=True, name="cw_ssim"),
    "blur-effect": Metric(
        "blurbench.metrics.sharpness:blur_effect",
        "Blur effect",
        higher_is_better=False,
        digits=3,
        reference=False,
    ),
    "niqe": pyiqa("NIQE", higher_is_better=False, name="niqe", reference=False),
    "ilniqe": pyiqa("IL-NIQE", higher_is_better=False, name="ilniqe", reference=False),
    "brisque": pyiqa("BRISQUE", higher_is_better=False, name="brisque", reference=False),
    "piqe": pyiqa("PIQE", higher_is_better=False, name="piqe", reference=False),
    "musiq": pyiqa("MUSIQ", higher_is_better=True, name="musiq", reference=False),
    "maniqa": pyiqa("MANIQA", higher_is_better=True, name="maniqa", reference=False),
    "topiq_nr": pyiqa("TOPIQ", higher_is_better=True, name="topiq_nr", reference=False),
}
