"""study-umsn: does guidance by face parts with confidence beat a plain network of its size?"""

from typing import Any

from blurbench.recipes.recipe import Images, Replicas
from blurbench.reproduce.studies.study import Arm, BlurredData, Contrast, PrintedEffect, Study

# UMSN's network has 434,982 parameters without SN; BN then has 434,714, behind maps 432,808.
INNER, INNER_WITH_MAPS = 3.16, 3.28
# Ends with whole faces: instance norm and the maps of four classes see another picture in a crop.
COMMON: dict[str, Any] = {
    "crop_size": 128,
    "crops": (64, 128),
    "batches": (8, 4),
    "precision": "auto",
}
NETWORK = 800  # steps of the stage that restores: 3,200 crops and 1,600 whole faces
STAGES = (200, 150, 100, NETWORK)  # SN on sharp, on blurred faces; F-Nets; network
WITHOUT_FNETS = (200, 150, 0, NETWORK)

ORACLE = (0, 0, 100, NETWORK)  # needs no SN

STUDY = Study(
    name="study-umsn",
    title="UMSN against BN of its size",
    question="Do streams for face parts, nested residuals and confidence beat the base network"
    " alone, with as many parameters and training faces?",
    paper="Yasarla, Perazzi, Patel: UMSN, IEEE TIP 2020, Table VI",
    data=BlurredData(
        folder="faces",
        holds="train/images, train/masks, test/images, test/masks: parsed faces (CelebAMask-HQ)",
        recipe="umsn-faces",
        stand_in="builtin:procedural-faces",
        counts=(600, 90),
        changes={
            "images": Images(train=600, val=0, test=90),
            "replicas": Replicas(train=4, test=4),
        },
    ),
    arms=(
        Arm(
            "umsn",
            "the whole method",
            "umsn",
            minutes=17,
            settings={**COMMON, "shares": STAGES},
            steps=sum(STAGES),
        ),
        Arm(
            "bn",
            "base network alone, widened to UMSN's parameters",
            "bn",
            minutes=10,
            settings={**COMMON, "inner": INNER},
            steps=NETWORK,
        ),
        Arm(
            "maps",
            "BN that is shown SN's maps",
            "umsn",
            minutes=12,
            settings={
                **COMMON,
                "shares": WITHOUT_FNETS,
                "streams": False,
                "nested": False,
                "confidence": False,
                "inner": INNER_WITH_MAPS,
            },
            steps=sum(WITHOUT_FNETS),
        ),
        Arm(
            "nested",
            "BN with maps and nested residuals",
            "umsn",
            minutes=12,
            settings={
                **COMMON,
                "shares": WITHOUT_FNETS,
                "streams": False,
                "confidence": False,
                "inner": INNER_WITH_MAPS,
            },
            steps=sum(WITHOUT_FNETS),
        ),
        Arm(
            "no-confidence",
            "UMSN with L1 in place of eq. 4",
            "umsn",
            minutes=16,
            settings={**COMMON, "shares": STAGES, "confidence": False},
            steps=sum(STAGES),
        ),
        Arm(
            "true-maps",
            "UMSN that is told the true masks, in training and at test: an oracle",
            "umsn",
            minutes=16,
            settings={**COMMON, "shares": ORACLE, "maps": "labels"},
            steps=sum(ORACLE),
        ),
        Arm(
            "bn-longer",
            "bn for as many seconds as umsn takes",
            "bn",
            minutes=17,
            settings={**COMMON, "inner": INNER},
            steps=1_360,
        ),
    ),
    primary=Contrast(
        "umsn - bn",
        "umsn",
        "bn",
        "UMSN beats its base network of as many parameters",
        printed=(PrintedEffect(1.8, "Table VI, Helen"), PrintedEffect(1.5, "Table VI, CelebA")),
    ),
    secondary=(
        Contrast("umsn - no-confidence", "umsn", "no-confidence", "confidence helps"),
        Contrast("no-confidence - nested", "no-confidence", "nested", "F-Nets help"),
        Contrast("nested - maps", "nested", "maps", "nested residuals help"),
        Contrast("maps - bn", "maps", "bn", "maps of face parts help"),
        Contrast("true-maps - bn", "true-maps", "bn", "true maps of face parts would help"),
        Contrast("true-maps - umsn", "true-maps", "umsn", "SN's maps are what holds it back"),
        Contrast("umsn - bn-longer", "umsn", "bn-longer", "UMSN beats BN at equal seconds"),
    ),
    hours=5.0,
    budget=f"{NETWORK} steps of the network that restores (3,200 crops of 64 px, 1,600 whole faces)"
    " in every arm; what SN and the F-Nets learn before it is stated beside",
    differs=(
        "Networks of width 16 in place of 64, minutes in place of days",
        "600 faces of CelebAMask-HQ in place of 27,000 of Helen and CelebA; no VGG-Face loss",
        "SN learns from the same faces; in the paper from Helen",
    ),
)
