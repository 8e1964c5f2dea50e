"""study-sp: is it what the teacher knows that helps, or only that there is one?"""

from typing import Any

from blurbench.recipes.recipe import Images, Replicas
from blurbench.reproduce.studies.study import Arm, BlurredData, Contrast, PrintedEffect, Study

TEACHER = "weights/tf_efficientnet_lite0.pth"
STEPS = 1_500
COMMON: dict[str, Any] = {"precision": "auto"}
RANDOM: dict[str, Any] = {
    **COMMON,
    "teacher": "tf_efficientnet_lite0",
    "teacher_weights": "random",
}
# `prior_scale` of the trained teacher over the untrained one's, 16.20 and 2.10 of 16 photographs:
# at the paper's beta the untrained one would ask that much less of its student.
SCALE = 7.7
NO_PRIOR: dict[str, Any] = {
    **COMMON,
    "embedding": "off",
    "cross_level": False,
    "aggregation": False,
    "prior_weight": 0.0,
}

STUDY = Study(
    name="study-sp",
    title="A trained teacher against an untrained one",
    question="Does the semantic prior help by what its teacher has learnt, or would any frozen"
    " network of the same loss do?",
    paper="P. Wang et al., Take a Prior from Other Tasks for Severe Blur Removal, 2023, Table 4",
    data=BlurredData(
        folder="photos",
        holds="train, test: photographs",
        recipe="lesssev-blurdata",
        stand_in="builtin:photos",
        counts=(235, 20),
        changes={
            "images": Images(train=235, val=0, test=20),
            "replicas": Replicas(train=4, test=2),
            "captions": None,
        },
    ),
    arms=(
        Arm(
            "trained",
            "net6, its teacher EfficientNet-Lite0 of ImageNet",
            "sp",
            minutes=16,
            settings={**COMMON, "teacher": "tf_efficientnet_lite0"},
            steps=STEPS,
            files={"teacher_weights": TEACHER},
        ),
        Arm(
            "random-scaled",
            "net6, the same teacher untrained, its loss scaled to the trained one's",
            "sp",
            minutes=16,
            settings={**RANDOM, "prior_weight": 0.1 * SCALE},
            steps=STEPS,
        ),
        Arm(
            "random",
            "net6, the same teacher untrained, its loss weighted as the paper's",
            "sp",
            minutes=16,
            settings=RANDOM,
            steps=STEPS,
        ),
        Arm(
            "net0star",
            "net6 without a teacher",
            "sp",
            minutes=14,
            settings={**COMMON, "prior_weight": 0.0},
            steps=STEPS,
        ),
        Arm("net0", "the backbone alone", "sp", minutes=8, settings=NO_PRIOR, steps=STEPS),
        Arm(
            "net0-wide",
            "the backbone alone, widened to net6's parameters",
            "unet",
            minutes=9,
            settings={**COMMON, "widths": (16, 33, 66, 132)},
            steps=STEPS,
        ),
    ),
    primary=Contrast(
        "trained - random-scaled",
        "trained",
        "random-scaled",
        "what the teacher has learnt is what helps",
        another="net6 over net0, +0.77 dB (Table 4, GoPro)",
    ),
    secondary=(
        Contrast(
            "trained - net0-wide",
            "trained",
            "net0-wide",
            "the prior helps, and not its parameters",
            printed=(PrintedEffect(0.77, "net6 over net0, Table 4, GoPro"),),
        ),
        Contrast("trained - random", "trained", "random", "so does it at the paper's weight"),
        Contrast("trained - net0star", "trained", "net0star", "the teacher helps"),
        Contrast("net0star - net0-wide", "net0star", "net0-wide", "the student helps untaught"),
        Contrast("net0-wide - net0", "net0-wide", "net0", "more parameters help"),
    ),
    hours=4.0,
    budget=f"{STEPS:,} steps of batches of 4 crops of 128 px in every arm",
    differs=(
        "A UNet of width 16 in place of 64, minutes in place of days; L1 alone, no VGG19 loss",
        "Teacher EfficientNet-Lite0 of ImageNet in place of TResNet-L of ImageNet and Open Images",
        "235 photographs under motion flow in place of GoPro",
    ),
)
