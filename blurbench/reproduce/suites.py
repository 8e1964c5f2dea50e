"""Which trainings and scores make each cell of the papers' tables.

Most of it follows from leaderboard/papers: recipe, model, preset and metric of a cell. SUITES and
VARIANTS say the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from blurbench.errors import UserError
from blurbench.ranking.printed import Printed, PrintedTable, table, tables
from blurbench.reproduce.scales import BRMR, BUDGETS, Samples

Settings = tuple[tuple[str, Any], ...]  # fields of a preset that differ
# The pictures themselves, where nothing is restored.
BLUR: Literal["blur"] = "blur"
SHARP: Literal["sharp"] = "sharp"
PICTURES = {BLUR: "blurred pictures", SHARP: "sharp pictures"}


@dataclass(frozen=True)
class Training:
    """A model trained on the train split of a recipe's data set."""

    model: str
    preset: str
    recipe: str
    settings: Settings = ()
    steps: int | None = None  # of preset `paper`, where no stage of it restores
    samples: Samples | None = None  # that its restoring stages see; None: as its preset says
    init: "Training | None" = None  # whose weights it begins with
    seed: int = 0

    @property
    def name(self) -> str:
        """What it is called: on boards, and as a folder."""
        changed = [f"{key}-{_plain(value)}" for key, value in self.settings]
        preset = [] if self.preset == "paper" else [self.preset]
        seed = [f"seed-{self.seed}"] if self.seed else []
        return "_".join([self.model, *preset, *changed, *seed])

    def seeded(self, seed: int) -> "Training":
        """The same with another seed, as are the first weights that it begins with."""
        init = self.init.seeded(seed) if self.init else None
        return replace(self, seed=seed, init=init)


@dataclass(frozen=True)
class Scoring:
    """What is restored, by what, and the network that a metric needs, if one was trained for it."""

    recipe: str
    data: str  # as printed: one recipe stands for several data sets
    restored_by: Training | Literal["blur", "sharp"]
    tool: tuple[str, Training] | None = None

    @property
    def training(self) -> Training | None:
        """What restores the pictures; None for pictures as they are."""
        return self.restored_by if isinstance(self.restored_by, Training) else None

    @property
    def network(self) -> Training | None:
        """What restores the pictures, or else looks at them."""
        return self.training or (self.tool[1] if self.tool else None)

    @property
    def name(self) -> str:
        """What boards call it."""
        by = self.restored_by
        restored = by.name if isinstance(by, Training) else PICTURES[by]
        return f"{self.tool[1].name} on {restored}" if self.tool else restored

    def seeded(self, seed: int) -> "Scoring":
        """The same with what was trained from another seed."""
        by, tool = self.restored_by, self.tool
        return replace(
            self,
            restored_by=by.seeded(seed) if isinstance(by, Training) else by,
            tool=(tool[0], tool[1].seeded(seed)) if tool else None,
        )


@dataclass(frozen=True)
class Cell:
    """A printed number, and how ours is made; a reason where it cannot be."""

    printed: Printed
    scoring: Scoring | None = None
    baseline: Scoring | None = None  # of psnr-gain: what the gain is over
    reason: str = ""


@dataclass(frozen=True)
class Suite:
    """What leaderboard/papers does not say of a table."""

    trained_on: Mapping[str, str] = field(default_factory=dict)  # test recipe -> other recipe
    protocol: str = "wang-rgb"
    repeats: int = 1  # evaluations to average, of a model that draws noise
    note: str = ""  # what is our choice, or known to differ
    # Method that goes on from another row's -> that row's, and why it may end below it.
    first_stages: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """How a method differs from what its row says."""

    settings: Settings = ()
    model: str = ""  # in place of the row's
    preset: str = ""  # in place of the row's
    steps: int | None = None
    init: tuple[str, str] | None = None  # model and preset whose trained weights it begins with
    tool: str = ""  # what its network is used as; the pictures are not restored then
    restored_by: Literal["", "blur", "sharp"] = ""


FACES = {
    "umsn-faces-test": "umsn-faces",
    "umsn-recognition": "umsn-faces",
    "pubfig": "umsn-faces",
    "": "umsn-faces",
}
UNSTATED = "The paper does not state its SSIM."
GOPRO_SSIM = f"{UNSTATED} gopro-matlab is that of the numbers which it quotes from other papers."
TUNED = (
    "MIMO-UNetPlus+SP begins with the trained weights of MIMO-UNetPlus, as the paper says, and "
    "so has seen as many samples again before."
)
NET0 = "UNet is sp:net0, with the perceptual loss that UNet+SP has: SP's table 4 prints it so."

SUITES: dict[str, Suite] = {
    "s3e-1": Suite(note=UNSTATED),
    "s3e-2": Suite(
        trained_on={"sev-gopro": "sev-blurdata"},
        note=f"{UNSTATED} Models are only tested on these frames; what they learnt from is our "
        "reading.",
    ),
    "s3e-3": Suite(
        trained_on={"": "lesssev-blurdata"},
        note="Sharp photographs: those of LessSev-BlurData, in training too. METEOR and SPICE need "
        "Java. S3E-Deblur (ImC) is s3e-imc, which never learns together with deblurring.",
    ),
    "sp-1": Suite(
        protocol="gopro-matlab",
        note=f"{GOPRO_SSIM} {NET0} {TUNED} Seconds are of this machine, on its pictures; printed: "
        "an RTX 3090.",
    ),
    "sp-2": Suite(
        trained_on={"hide": "gopro"},
        protocol="gopro-matlab",
        note=f"{GOPRO_SSIM} {NET0} {TUNED} Whether RealBlur-J was aligned is not stated: here it "
        "is not.",
    ),
    "sp-3": Suite(protocol="gopro-matlab", note=NET0),
    "sp-4": Suite(
        protocol="gopro-matlab",
        repeats=10,
        note="Printed: the mean of ten evaluations. A model that draws no noise gives the same "
        "ten times, so it is evaluated once.",
    ),
    "umsn-1": Suite(trained_on=FACES, note="How a class is cut out is our reading."),
    "umsn-2": Suite(
        trained_on=FACES,
        note="Printed: sharp images are Helen's 330 test images; here, those of the blurred set.",
    ),
    "umsn-3": Suite(trained_on=FACES, note=UNSTATED),
    "umsn-4": Suite(trained_on=FACES),
    "umsn-5": Suite(trained_on=FACES, note="Printed: with the embedding OpenFace."),
    "umsn-6": Suite(trained_on=FACES, note=UNSTATED),
    "umsn-7": Suite(
        trained_on=FACES,
        note="Printed: two pictures of Fig. 14. Here: two pictures that the run samples at those "
        "steps; where it is shorter, at the same parts of its last stage.",
    ),
    "umsn-text": Suite(trained_on=FACES, note=UNSTATED),
    "brmr-2": Suite(
        note=f"The paper names no epochs: {BRMR['concert'].words} are our choice.",
        first_stages={
            "adversarial BRMR": (
                "iGAN",
                "pGAN restores again the windows that iGAN's discriminator finds blurred, and the "
                "discriminator alone decides whether that is kept: PSNR has no say. A pGAN that "
                "has seen too few samples makes such windows worse",
            )
        },
    ),
    "brmr-3": Suite(
        note=f"The paper names no epochs: {BRMR['gopro'].words} are our choice. Seconds are of "
        "this machine, on its pictures; printed: a GTX 1080."
    ),
    "brmr-text": Suite(
        trained_on={"concert-partial": "concert"},
        note="The discriminator that finds squares is of iGAN alone. It learns partly blurred "
        "pictures too, which the paper leaves open.",
    ),
}

WITHOUT_GAN: Settings = (("adversarial_weight", 0.0),)
VARIANTS: dict[tuple[str, str], Variant] = {
    ("umsn-1", "Ziyi et al."): Variant(settings=WITHOUT_GAN),
    ("umsn-3", "Ziyi et al."): Variant(settings=WITHOUT_GAN),
    ("umsn-3", "Ziyi et al. w/GAN"): Variant((("adversarial_weight", 5e-5),), preset="paper"),
    ("s3e-2", "S3E-Deblur (ImD) w/o coTrain"): Variant(preset="frozen"),
    ("s3e-3", "S3E-Deblur (ImC)"): Variant(model="s3e-imc"),
    ("umsn-4", "Ziyi et al."): Variant(settings=WITHOUT_GAN),
    ("umsn-5", "Ziyi et al."): Variant(settings=WITHOUT_GAN),
    # SN alone, without the stages after it.
    ("umsn-2", "SN trained on sharp images"): Variant(
        (("shares", (60.0, 0.0, 0.0, 0.0)),), preset="paper", steps=60_000, tool="segmenter"
    ),
    ("umsn-2", "SN fine-tuned on blurred images"): Variant(
        (("shares", (60.0, 30.0, 0.0, 0.0)),), preset="paper", steps=90_000, tool="segmenter"
    ),
    ("umsn-5", "Clear images"): Variant(restored_by="sharp"),
    ("umsn-5", "Blurred images"): Variant(restored_by="blur"),
    ("brmr-text", "iGAN discriminator"): Variant(
        (("blur_negatives", True),), model="igan", tool="detector"
    ),
    ("sp-1", "UNet"): Variant(model="sp", preset="net0"),
    ("sp-2", "UNet"): Variant(model="sp", preset="net0"),
    ("sp-3", "Ours-UNet"): Variant(model="sp", preset="net0"),
    ("sp-1", "MIMO-UNetPlus+SP"): Variant(init=("mimo-unet-plus", "paper")),
    ("sp-2", "MIMO-UNetPlus+SP"): Variant(init=("mimo-unet-plus", "paper")),
}
# Read from what a run or a result says beside its scores; of `confidence-`, whatever follows.
BESIDE = ("seconds", "iterations", "psnr-gain")
CONFIDENCE = "confidence-"
# Scores of sentences, by the names that scoring.captions gives them.
CAPTIONS = ("bleu-1", "bleu-2", "bleu-3", "bleu-4", "meteor", "rouge-l", "cider", "spice")


def cells(name: str) -> list[Cell]:
    """Every cell of a table, in its order; UserError for a name that is none."""
    whole = table(name)
    return [_cell(whole, position) for position in range(len(whole.cells))]


def trainings(of: list[Cell]) -> list[Training]:
    """Each training once, in the order of the table; after those whose weights it begins with."""
    scorings = [one for cell in of for one in (cell.baseline, cell.scoring) if one]
    found = [one.training for one in scorings if one.training]
    found += [one.tool[1] for one in scorings if one.tool]
    return [*dict.fromkeys(each for one in found for each in (one.init, one) if each)]


# What the user brings at paper scale beside pictures and the weights that models name.
NEEDS = {
    "vgg-face": "weights/vgg-face",
    "top-1": "weights/embedding",
    "lpips": "weights of LPIPS",
    "meteor": "captions, Java",
}


def rows() -> list[dict[str, str]]:
    """A row a table: the recipes and models that it takes, and what it needs beside them."""
    return [_row(each) for each in tables().values()]


def _row(whole: PrintedTable) -> dict[str, str]:
    learnt = SUITES[whole.name].trained_on
    tested = dict.fromkeys(cell.recipe for cell in whole.cells if cell.model)
    recipes = dict.fromkeys(one for recipe in tested for one in (learnt.get(recipe), recipe) if one)
    needs = [NEEDS[each] for each in whole.metrics if each in NEEDS]
    return {
        "name": whole.name,
        "paper": f"{whole.paper}, {whole.printed_as}".replace(" ", "\N{NO-BREAK SPACE}"),
        "recipes": ", ".join(recipes),
        "models": ", ".join(dict.fromkeys(cell.model for cell in whole.cells if cell.model)),
        "needs": ", ".join(needs) or "\N{EN DASH}",
    }


def metric_of(cell: Cell) -> str:
    """The name under which evaluate measures it; empty for what it says anyway, or a run's log."""
    metric = cell.printed.metric
    if metric == "psnr-gain":
        return "psnr"
    return "" if metric in BESIDE or metric.startswith(CONFIDENCE) else metric


def _cell(whole: PrintedTable, position: int) -> Cell:
    printed = whole.cells[position]
    variant = VARIANTS.get((whole.name, printed.method), Variant())
    if not printed.model and not variant.restored_by:
        return Cell(printed, reason="printed only: a method that is not here")
    if reason := _unavailable(printed, variant):
        return Cell(printed, reason=reason)
    baseline = None
    if printed.metric == "psnr-gain":
        baseline = _baseline(whole, position)
        if baseline is None:
            return Cell(printed, reason="not available: its baseline is printed only")
    return Cell(printed, _scoring(whole.name, printed, variant), baseline)


def _unavailable(printed: Printed, variant: Variant) -> str:
    from blurbench.metrics import find_metric
    from blurbench.models import model_class

    if printed.model:
        model, preset = variant.model or printed.model, variant.preset or printed.preset
        try:
            presets = model_class(model).PRESETS
        except UserError:
            return f"not available: there is no model {model}"
        if preset not in presets:
            told = f"no preset {preset}" if preset else "no preset for this variant"
            return f"not available: {model} has {told}"
    name = printed.metric
    if name in (*BESIDE, *CAPTIONS) or name.startswith(CONFIDENCE):
        return ""
    try:
        find_metric(name)
    except UserError:
        return f"not available: there is no metric {name}"
    return ""


def _baseline(whole: PrintedTable, position: int) -> Scoring | None:
    """What a gain is over: the PSNR before that of its own row, on the same data."""
    gain = whole.cells[position]
    before = [
        cell
        for cell in whole.cells[:position]
        if cell.metric == "psnr" and cell.data == gain.data and cell.method != gain.method
    ]
    if not before or not before[-1].model:
        return None
    found = before[-1]
    return _scoring(whole.name, found, VARIANTS.get((whole.name, found.method), Variant()))


def _scoring(name: str, printed: Printed, variant: Variant) -> Scoring:
    recipe = printed.recipe
    learnt = SUITES[name].trained_on.get(recipe, recipe)
    tested = recipe or learnt
    if variant.restored_by:
        return Scoring(tested, printed.data, variant.restored_by)
    model, preset = variant.model or printed.model, variant.preset or printed.preset
    settings = variant.settings
    if printed.metric in CAPTIONS and not recipe:
        settings = (*settings, ("input", SHARP))
    samples = BUDGETS[name][learnt]
    init = Training(*variant.init, learnt, samples=samples) if variant.init else None
    training = Training(model, preset, learnt, settings, variant.steps, samples, init)
    if variant.tool:
        shown: Literal["blur", "sharp"] = "sharp" if printed.subset == SHARP else "blur"
        return Scoring(tested, printed.data, shown, (variant.tool, training))
    return Scoring(tested, printed.data, training)


def _plain(value: Any) -> str:
    """A setting as part of a folder's name."""
    parts = value if isinstance(value, tuple) else (value,)
    return "-".join(f"{part:g}" if isinstance(part, float) else str(part).lower() for part in parts)
