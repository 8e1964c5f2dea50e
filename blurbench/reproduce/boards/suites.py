"""The open boards, frozen: models, steps, data.

Equal time: 1,140 s of one core for each training, by what a step took, measured once: of the first
five in `study-severity`, of umsn in `study-umsn`; of the others as a multiple of what unet took
in the same sitting on idle cores, times 0.2886. The multiples of two rounds agree within 9 %, while
the seconds themselves strayed by a fifth: these are the less certain.
"""

from typing import Any

from blurbench.errors import UserError
from blurbench.recipes.recipe import Crop, Images, Replicas
from blurbench.reproduce.boards.open_board import BoardData, BoardRow, OpenBoard
from blurbench.words import meant

BUDGET = 1140.0  # s of one core, of each training: 19 minutes, and one for scoring
PRECISION = {"precision": "auto"}
LITE0 = "weights/tf_efficientnet_lite0.pth"
# Core-seconds a step of preset tiny: of crops of 128 px on photographs, and on faces.
SECONDS = {
    "unet": 0.2886,
    "nafnet": 0.2380,
    "mimo-unet": 0.2740,
    "restormer": 0.7703,
    "sp": 0.5112,
    "mprnet": 1.13,
    "deblurgan": 0.142,
    "brmr": 0.111,
}
FACE_SECONDS = {"bn": 0.505, "umsn": 0.78, "sp": 0.5112, "shen-face": 0.130}
# As in `study-umsn`: SN on sharp, on blurred faces, F-Nets, network; and whole faces at the end.
UMSN: dict[str, Any] = {
    "crop_size": 128,
    "crops": (64, 128),
    "batches": (8, 4),
    "shares": (200, 150, 100, 800),
}


def steps(seconds: float) -> int:
    """As many as the budget holds, in tens."""
    return int(BUDGET / seconds / 10) * 10


def learnt(model: str, seconds: float, what: str) -> BoardRow:
    """A row of preset tiny at equal time."""
    own: dict[str, Any] = {"sp": {"teacher": "tf_efficientnet_lite0"}, "umsn": UMSN}.get(model, {})
    files = {"teacher_weights": LITE0} if model == "sp" else {}
    settings = {**PRECISION, **own}
    return BoardRow(
        model,
        what,
        20,
        model,
        settings=settings,
        files=files,
        steps=steps(seconds),
    )


UNTRAINED = (
    BoardRow("identity", "the blurred pictures themselves", 1),
    BoardRow("unsharp (sigma 2 px, amount 0.5)", "an unsharp mask", 1, classical="unsharp"),
    BoardRow(
        "Wiener (oracle kernel)",
        "a Wiener filter that is told the mean of each picture's true kernels: no rival",
        2,
        classical="wiener",
    ),
)
SCENE = BoardRow(
    "scene", "the weights that ship, MAXIM's first stage trained on", 10, shipped="scene"
)
LADDER = BoardData(
    "severity-ladder",
    "severity-ladder",
    "photos",
    "builtin:photos",
    "Severe scenes: photographs under motion of 5 to 80 px, as many in each octave",
    # A sharp picture cannot gain, and has no octave.
    {
        "images": Images(train=235, val=0, test=20),
        "replicas": Replicas(train=4, test=4),
        "identity": 0.0,
    },
)
SEVERE = BoardData(
    "severe-blur",
    "sev-blurdata",
    "photos",
    "builtin:photos",
    "Severe scenes: photographs under the blur of sev-blurdata",
    {"images": Images(train=0, val=0, test=20)},
)
SHOWN_SCENES = BoardData(
    "severe-scenes-to-look-at",
    "sev-blurdata",
    "",
    "builtin:whole-photos",
    "Pictures to look at, not ranked: photographs of scikit-image under the blur of sev-blurdata",
    # A repository is to hold 18 rows of them.
    {"crop": Crop(borders=True, center=240)},
)
FACES = BoardData(
    "faces",
    "umsn-faces",
    "faces",
    "builtin:procedural-faces",
    "Faces: parsed faces under camera shake and noise",
    {"images": Images(train=660, val=0, test=30), "replicas": Replicas(train=4, test=4)},
)
SHOWN_FACES = BoardData(
    "faces-to-look-at",
    "umsn-faces",
    "",
    "builtin:procedural-faces",
    "Pictures to look at, not ranked: faces drawn by blurbench under the blur of umsn-faces",
    {"images": Images(train=0, val=0, test=8), "replicas": Replicas(test=1)},
)

OPEN_BOARDS = {
    "board-severe-scenes": OpenBoard(
        "board-severe-scenes",
        "Severe scenes",
        trained_on=LADDER,
        scored=(LADDER, SEVERE),
        shown=(SHOWN_SCENES,),
        rows=(
            *UNTRAINED,
            SCENE,
            learnt("unet", SECONDS["unet"], "UNet, plain"),
            learnt("nafnet", SECONDS["nafnet"], "NAFNet"),
            learnt("restormer", SECONDS["restormer"], "Restormer"),
            learnt("sp", SECONDS["sp"], "semantic prior, teacher EfficientNet-Lite0 of ImageNet"),
            learnt("mimo-unet", SECONDS["mimo-unet"], "MIMO-UNet"),
            learnt("mprnet", SECONDS["mprnet"], "MPRNet"),
            learnt("deblurgan", SECONDS["deblurgan"], "DeblurGAN"),
            learnt("brmr", SECONDS["brmr"], "adversarial BRMR"),
            BoardRow(
                "maxim (GoPro)",
                "MAXIM S-3 as its authors trained it on GoPro: no training here",
                40,
                "maxim",
                "paper",
                weights="weights/maxim-deblurring",
            ),
            BoardRow(
                "internal scene model",
                "the project's own run on all photographs that it may learn from",
                6,
                weights="weights/internal-scene",
            ),
        ),
        metrics=("psnr", "ssim"),
    ),
    "board-faces": OpenBoard(
        "board-faces",
        "Faces",
        trained_on=FACES,
        scored=(FACES,),
        shown=(SHOWN_FACES,),
        rows=(
            *UNTRAINED,
            learnt("bn", FACE_SECONDS["bn"], "base network of UMSN"),
            learnt("umsn", FACE_SECONDS["umsn"], "UMSN: face parts, confidence"),
            learnt("sp", FACE_SECONDS["sp"], "semantic prior, teacher EfficientNet-Lite0"),
            learnt("shen-face", FACE_SECONDS["shen-face"], "Shen et al.: face parts, adversarial"),
            SCENE,
            BoardRow("face", "weights that ship, for faces: learnt drawn ones", 6, shipped="face"),
            BoardRow(
                "internal face model",
                "the project's own run on all faces that it may learn from",
                2,
                weights="weights/internal-face",
            ),
        ),
        metrics=("psnr", "ssim", "psnr-skin", "psnr-parts", "psnr-hair"),
    ),
}


def find_board(name: str) -> OpenBoard:
    """The open board of a name; UserError where there is none."""
    if name not in OPEN_BOARDS:
        known = ", ".join(OPEN_BOARDS)
        raise UserError(f"{name}: no such board{meant(name, OPEN_BOARDS)}; there are {known}")
    return OPEN_BOARDS[name]
