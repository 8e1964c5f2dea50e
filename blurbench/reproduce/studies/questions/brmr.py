"""study-brmr: must pGAN learn from the windows that iGAN leaves the most blurred?"""

from typing import Any

from blurbench.recipes.recipe import Images
from blurbench.reproduce.studies.study import (
    Arm,
    BlurredData,
    Contrast,
    Measure,
    PrintedEffect,
    Study,
)

# Nine windows of 128 px, 64 px apart, in a still of 256 px, as in the paper.
# Generators that add to the picture, and ten times the weight of L1: as the paper has them, iGAN
# was 1.9 dB below the blurred stills after 2,600 steps, and there was nothing to refine.
COMMON: dict[str, Any] = {
    "precision": "auto",
    "width": 32,
    "downs": 7,
    "dropout": False,
    "test_dropout": False,
    "rate": 5e-4,
    "residual": True,
    "l1_weight": 1_000.0,
}
WINDOWS: dict[str, Any] = {
    **COMMON,
    "batch_size": 2,
    "crop_size": 256,
    "patch_downs": 6,
    "patch_size": 128,
    "stride": 64,
    "shares": (0, 1),
}
STEPS = 1_300  # of pGAN: 2,600 stills
DETECTOR = 600  # of an iGAN: 4,800 crops of 128 px
FIRST: dict[str, Any] = {**COMMON, "crop_size": 128, "batch_size": 8}
IGAN: dict[str, Any] = {**COMMON, "crop_size": 256, "batch_size": 2}
LEG = 2_900  # steps of iGAN on crops, and again on whole stills: no run is over 25 minutes


def pgan(name: str, what: str, minutes: float = 11, **settings: Any) -> Arm:
    """An arm that goes on from the shared iGAN."""
    return Arm(
        name,
        what,
        "brmr",
        minutes,
        settings={**WINDOWS, **settings},
        steps=STEPS,
        begins_with="igan",
    )


STUDY = Study(
    name="study-brmr",
    title="Mined against random windows",
    question="Behind one and the same iGAN: does pGAN restore better for having learnt from the"
    " windows that are still the most blurred, or would any windows do?",
    paper="Lin et al., Tell Me Where It is Still Blurry, ACM Multimedia 2019, Table 2",
    data=BlurredData(
        folder="stills",
        holds="train, test: photographs and stills, of any size",
        recipe="concert",
        stand_in="builtin:photos",
        counts=(235, 40),
        changes={"images": Images(train=235, val=0, test=40), "labels": ()},
    ),
    arms=(
        pgan("mined", "pGAN on the most blurred window of each still", mining="hottest"),
        pgan("random", "pGAN on a random window of each still", mining="random"),
        Arm(
            "igan-crops",
            "iGAN on crops of 128 px, before it learns from whole stills",
            "igan",
            minutes=22,
            settings=FIRST,
            steps=LEG,
            once=True,
        ),
        Arm(
            "igan",
            "iGAN alone: what every other arm begins with",
            "igan",
            minutes=22,
            settings=IGAN,
            steps=LEG,
            begins_with="igan-crops",
            once=True,
        ),
        pgan("all", "pGAN on all nine windows of each still", minutes=25, mining="all"),
        pgan(
            "no-rule",
            "as mined, but three patches are refined whether they help or not",
            mining="hottest",
            acceptance=False,
            max_iterations=3,
        ),
    ),
    primary=Contrast(
        "mined - random",
        "mined",
        "random",
        "mining is what helps",
        another="BRMR over iGAN, +1.16 dB (Table 2)",
    ),
    secondary=(
        Contrast(
            "mined - igan",
            "mined",
            "igan",
            "pGAN improves what iGAN made",
            printed=(PrintedEffect(1.16, "Table 2"),),
        ),
        Contrast("random - igan", "random", "igan", "so does pGAN on random windows"),
        Contrast("mined - all", "mined", "all", "mined windows are as good as nine times as many"),
        Contrast("mined - no-rule", "mined", "no-rule", "the rule of acceptance helps"),
    ),
    measures=(
        Measure(
            "iou",
            "IoU of the square that is found and the blurred one",
            "Section 4.4: one square of 128 px of each still of 256 px is blurred, somewhere; the"
            " discriminator of an iGAN that also learnt from partly blurred pictures"
            " (blur_negatives, which the paper does not have) looks for it",
            arms=(
                Arm(
                    "detector",
                    "iGAN with blur_negatives; its generator is not asked",
                    "igan",
                    minutes=9,
                    settings={**COMMON, "crop_size": 128, "batch_size": 8, "blur_negatives": True},
                    steps=DETECTOR,
                ),
            ),
            beside=(
                ("a random window", 0.31),
                ("always the middle", 0.41),
                ("the best of the nine windows 64 px apart", 0.63),
                ("the paper", 0.676),
            ),
            data=BlurredData(
                folder="stills",
                holds="train, test: photographs and stills, of any size",
                recipe="concert-partial",
                stand_in="builtin:photos",
                counts=(235, 40),
                changes={"images": Images(train=0, val=0, test=40), "labels": ()},
            ),
        ),
    ),
    hours=4.4,
    budget=f"One iGAN for all; then {STEPS:,} steps of pGAN on 2 stills of 256 px each. The arm all"
    " sees nine windows of a still where the others see one",
    differs=(
        "Networks of width 32 in place of 64, minutes in place of days; no dropout",
        "Generators add to the picture that they are given, and L1 weighs 1,000 in place of 100:"
        " as printed, iGAN stays below the blurred stills for want of steps",
        "235 photographs to train on; 40 photographs and concert stills to test, 280 pairs",
    ),
)
