"""study-severity: at which length of blur does each method stop helping?"""

from typing import Any

from blurbench.recipes.recipe import Images, Replicas
from blurbench.reproduce.studies.study import IDENTITY, Arm, BlurredData, Contrast, Study

COMMON: dict[str, Any] = {"precision": "auto"}
LONGEST = (40.0, 80.0)

# Equal time: 1,140 s of one core, at the seconds a step that each took in one sitting.
STUDY = Study(
    name="study-severity",
    title="Where methods stop helping",
    question="Up to which length of blur does each method still improve the blurred picture, after"
    " the same time of training?",
    paper="none: the curve that this project is for",
    data=BlurredData(
        folder="photos",
        holds="train, test: photographs",
        recipe="severity-ladder",
        stand_in="builtin:photos",
        counts=(235, 20),
        # A sharp picture cannot gain, and has no octave.
        changes={
            "images": Images(train=235, val=0, test=20),
            "replicas": Replicas(train=4, test=4),
            "identity": 0.0,
        },
    ),
    arms=(
        Arm("unet", "UNet, plain", "unet", minutes=20, settings=COMMON, steps=3_950),
        Arm("nafnet", "NAFNet", "nafnet", minutes=20, settings=COMMON, steps=4_790),
        Arm("mimo-unet", "MIMO-UNet", "mimo-unet", minutes=20, settings=COMMON, steps=4_160),
        Arm("restormer", "Restormer", "restormer", minutes=20, settings=COMMON, steps=1_480),
        Arm(
            "sp",
            "semantic prior, teacher EfficientNet-Lite0 of ImageNet",
            "sp",
            minutes=20,
            settings={**COMMON, "teacher": "tf_efficientnet_lite0"},
            steps=2_230,
            files={"teacher_weights": "weights/tf_efficientnet_lite0.pth"},
        ),
        Arm(
            "maxim",
            "MAXIM S-3, as its authors trained it on GoPro: no training here",
            "maxim",
            minutes=27,
            preset="paper",
            weights="weights/maxim-deblurring",
        ),
    ),
    primary=Contrast(
        "unet - identity, 40-80 px",
        "unet",
        IDENTITY,
        "a network that has learnt from such blur helps at 40 to 80 px",
        another="",
        octave=LONGEST,
    ),
    secondary=(
        *(
            Contrast(f"{arm} - identity, 40-80 px", arm, IDENTITY, "so does it", octave=LONGEST)
            for arm in ("nafnet", "mimo-unet", "restormer", "sp", "maxim")
        ),
    ),
    hours=5.5,
    budget="19 minutes of one core for each training, turned once into steps; samples differ. MAXIM"
    " is not trained here: its minutes are those of 80 pictures",
    differs=(
        "Networks of preset tiny on 235 photographs: who leads after 19 minutes need not lead after"
        " days",
        "MAXIM has 22 million parameters, and learnt from the blur of GoPro, not of this ladder",
    ),
    octaves=((5.0, 10.0), (10.0, 20.0), (20.0, 40.0), LONGEST),
)
