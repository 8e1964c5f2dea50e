"""study-s3e: can what a picture shows, told to the generator, help it to restore the picture?"""

from typing import Any

from blurbench.recipes.recipe import CaptionRules, Images
from blurbench.reproduce.studies.study import (
    Arm,
    BlurredData,
    Contrast,
    Measure,
    PrintedEffect,
    Study,
)

TRUNK = "weights/tf_efficientnet_lite0.pth"
SEES: dict[str, Any] = {
    "precision": "auto",
    "resnet": "tf_efficientnet_lite0",
    "side": 128,
}
GENERATOR: dict[str, Any] = {**SEES, "pretraining": 0.0, "co_train": False}
STEPS = 2_400
WRITING, LEARNING = 900, 600  # steps of captioners, and of their trees before: 16 captions each
TREE: dict[str, Any] = {"node_width": 64, "pretraining": LEARNING / (WRITING + LEARNING)}


def arm(name: str, what: str, begins_with: str = "", **settings: Any) -> Arm:
    """A generator that is told something."""
    return Arm(
        name,
        what,
        "s3e",
        minutes=16,
        settings={**GENERATOR, **settings},
        steps=STEPS,
        begins_with=begins_with,
        files={"resnet_weights": TRUNK},
    )


def captioner(name: str, what: str, model: str, **settings: Any) -> Arm:
    """Something that writes captions; a tree learns before it writes, in steps of its own."""
    return Arm(
        name,
        what,
        model,
        minutes=6 if settings else 4,
        settings={**SEES, "word_count": 2, "words": 1_000, **settings},
        steps=WRITING + (LEARNING if settings else 0),
        files={"resnet_weights": TRUNK},
    )


STUDY = Study(
    name="study-s3e",
    title="True against shuffled labels",
    question="If the generator is told the true words of a picture's captions, does it restore the"
    " picture better than when it is told those of another picture?",
    paper="F. Chen et al., Semantic-aware Image Deblurring, 2019, Tables 1 and 2",
    data=BlurredData(
        folder="captions",
        holds="photographs, and dataset_coco.json, captions_*.json or captions.csv with five"
        " captions of each",
        recipe="sev-blurdata",
        stand_in="builtin:photos",
        counts=(801, 167),
        changes={
            "images": Images(train=801, val=0, test=167),
            "captions": CaptionRules(count=5, required=True),
        },
    ),
    arms=(
        arm("oracle", "told the true labels of the captions", nodes="oracle"),
        arm("shuffled", "told the labels of another picture", nodes="shuffled"),
        arm("zero", "told nothing, at the same capacity", nodes="zero"),
        arm("random-tree", "told by a tree that has learnt nothing"),
        arm("trained-tree", "told by a tree that has learnt captions, then frozen", "tree"),
        arm("co-trained", "told by that tree, which goes on learning", "tree", co_train=True),
    ),
    primary=Contrast(
        "oracle - shuffled",
        "oracle",
        "shuffled",
        "what a picture shows helps to restore it",
        another="co-training over a frozen tree, +1.48 dB; S3E-Deblur over DeblurGAN, +1.7 dB",
    ),
    secondary=(
        Contrast(
            "co-trained - trained-tree",
            "co-trained",
            "trained-tree",
            "co-training helps",
            printed=(PrintedEffect(1.48, "Table 2"),),
        ),
        Contrast(
            "co-trained - zero",
            "co-trained",
            "zero",
            "so does the whole method",
            another="over DeblurGAN, which has fewer parameters, +1.7 dB",
        ),
        Contrast("trained-tree - random-tree", "trained-tree", "random-tree", "captions help"),
        Contrast("oracle - zero", "oracle", "zero", "true labels help"),
    ),
    measures=(
        Measure(
            "cider",
            "CIDEr of captions of the blurred test pictures",
            "Table 3 at equal captions: what each captioner writes of the blurred pictures, against"
            " five sentences by people",
            arms=(
                captioner("tree", "S3E-Deblur's captioner, s3e-imc", "s3e-imc", **TREE),
                captioner("vp-tree", "a tree of vectors", "vp-tree", **TREE),
                captioner("nic", "the mean of what the trunk sees", "nic"),
                captioner("toronto", "attention to places", "toronto"),
                captioner("topdown", "two layers of attention to places", "topdown"),
            ),
            beside=(),
        ),
    ),
    hours=6.0,
    budget=f"{STEPS:,} steps of the generator in every arm, batches of 8 crops of 64 px; what the"
    f" tree learns before is one run for all. Captioners: {WRITING} steps of 16 captions",
    differs=(
        "A generator of width 16, minutes in place of days; L1 in place of VGG19's content loss",
        "Trunk EfficientNet-Lite0 of ImageNet in place of ResNet-152",
        "1,115 photographs of 320 px, most of them of Flickr8k, in place of 13,000 of COCO",
    ),
)
