"""A study of seconds: `python small_study.py OUT` runs it."""

import sys
from pathlib import Path

from blurbench.recipes.recipe import Images, Replicas
from blurbench.reproduce.studies.perform import begin
from blurbench.reproduce.studies.study import (
    Arm,
    BlurredData,
    Contrast,
    Measure,
    PrintedEffect,
    Study,
)

TINY = {
    "batch_size": 2,
    "crop_size": 32,
    "precision": "fp32",
    "ema": None,
    "widths": (4, 8),
    "blocks": (1, 1),
}
PICTURES = BlurredData(
    "photos",
    "photographs",
    "demo",
    "builtin:photos",
    (4, 6),
    {"images": Images(train=4, val=0, test=6), "replicas": Replicas(train=1, test=1)},
)
SEEKER = {
    "batch_size": 2,
    "crop_size": 32,
    "precision": "fp32",
    "width": 4,
    "downs": 5,
    "blur_negatives": True,
}
SQUARES = Measure(
    "iou",
    "IoU of the square",
    "Where is it blurred?",
    arms=(Arm("seeker", "a detector", "igan", 1.0, settings=SEEKER, steps=2, once=True),),
    beside=(("a random window", 0.31),),
    data=BlurredData(
        "photos",
        "photographs",
        "concert-partial",
        "builtin:photos",
        (0, 2),
        {
            "images": Images(train=0, val=0, test=2),
            "replicas": Replicas(test=2),
            "labels": (),
        },
    ),
)
STUDY = Study(
    name="study-small",
    title="Fast against slow",
    question="Does a higher rate help?",
    paper="none",
    data=PICTURES,
    arms=(
        Arm("fast", "as the preset", "unet", 1.0, settings=TINY, steps=8),
        Arm(
            "slow", "a hundredth of the rate", "unet", 1.0, settings={**TINY, "rate": 2e-5}, steps=8
        ),
        Arm("taught", "after another", "unet", 1.0, settings=TINY, steps=4, begins_with="first"),
        Arm("first", "what taught begins with", "unet", 2.0, settings=TINY, steps=6, once=True),
    ),
    primary=Contrast("fast - slow", "fast", "slow", "it helps", (PrintedEffect(1.5, "Table 9"),)),
    secondary=(
        Contrast("taught - first", "taught", "first", "more steps help", another="+3 dB"),
        Contrast("long blur", "fast", "identity", "so it does", octave=(16.0, 64.0)),
    ),
    hours=0.2,
    budget="8 steps in both arms",
    differs=("It is a miniature",),
    octaves=((8.0, 16.0), (16.0, 64.0)),
    measures=(SQUARES,),
)

if __name__ == "__main__":
    print(begin(STUDY, Path(sys.argv[1]), None, seeds=2).perform())
