"""Where a table is made again: its data sets, runs and results, each made once and found again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurbench.datasets.format import DATASET, Row
from blurbench.datasets.index import index
from blurbench.datasets.make import synthesize
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError, one_line
from blurbench.metrics import find_metric
from blurbench.models import build, model_class
from blurbench.recipes.existing import Existing
from blurbench.recipes.recipe import load_any_recipe
from blurbench.reproduce.stand_ins import stand_in
from blurbench.reproduce.suites import BLUR, Scoring, Training
from blurbench.runs.trained import Restored
from blurbench.scoring.captions import caption_split
from blurbench.scoring.evaluate import Evaluation, evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, Restorer, trained
from blurbench.sources.open import open_for
from blurbench.training.train import train

DEMO_STEPS = 80
DEMO_CROP = 64  # px
# Fields that say how large a network is or how long it learns: those of `tiny` stay at demo scale.
OF_SIZE = {"steps", "batch_size", "crop_size", "inner", "blocks", "backbone_preset"}
# Tool of a metric -> its file below the data root, without suffix.
WEIGHTS = {"features": "weights/vgg-face", "embedding": "weights/embedding"}
SUFFIXES = (".pt2", ".pth", ".pt")
# Recipes that stand for several of the papers' data sets, each a folder of its own.
SHARED = {"umsn-faces-test"}
SEEDS = {"CelebA": 1}  # other draws where drawn faces stand in for both


class Given(Restorer):
    """Pictures that nothing restored: the sharp ones, or the blurred ones for a tool to look at."""

    kind = "given"

    def __init__(self, name: str, data: ScoredSplit, role: str) -> None:
        """`role` is blur or sharp."""
        super().__init__(name, {"pictures": role})
        self.data, self.role = data, role

    def restore(self, blur: Any, row: Row) -> Restored:  # noqa: ARG002
        """The row's picture of this role."""
        return Restored(self.data.picture(row, self.role))


@dataclass
class Builder:
    """Makes what tables need in the folder `out`, at one scale, and finds again what is made."""

    out: Path
    root: Path | None  # of the user's data; None at demo scale
    device: str | None = None
    steps: int = DEMO_STEPS  # of each training at demo scale
    tell: Callable[[str], object] = print
    failed: dict[str, str] = field(default_factory=dict)  # folder -> why it could not be made

    @property
    def is_demo(self) -> bool:
        """Whether pictures, networks and steps are stand-ins."""
        return self.root is None

    def source(self, recipe: str, data: str) -> Path:
        """Where the user's pictures, pairs or made data set for a recipe lie."""
        folder = (self.root or Path()) / recipe
        return folder / data if recipe in SHARED else folder

    def data(self, recipe: str, data: str = "") -> Path:
        """The data set, made if need be."""
        name = f"{recipe}-{data.lower()}" if recipe in SHARED else recipe
        folder = self.out / "data" / name
        if self.is_demo:
            made, of = stand_in(recipe)
            return self.once(
                folder,
                f"Making {name}: a stand-in, {of.describe()}",
                lambda: synthesize(
                    made, open_for(made, of.source), folder, seed=SEEDS.get(data, 0)
                ),
            )
        source = self.source(recipe, data)
        if (source / DATASET).is_file():
            return source
        loaded = load_any_recipe(recipe)
        if isinstance(loaded, Existing):
            return self.once(
                folder, f"Indexing {source}", lambda: index(loaded, str(source), folder)
            )
        return self.once(
            folder,
            f"Blurring {source} by the recipe {recipe}",
            lambda: synthesize(loaded, open_for(loaded, str(source)), folder),
        )

    def run(self, training: Training) -> Path:
        """The finished run, trained if need be."""
        folder = self.run_folder(training)
        data = self.data(training.recipe)
        preset, settings = self.settings(training)
        steps = self.steps if self.is_demo else training.steps
        return self.once(
            folder,
            f"Training {training.name} on {training.recipe}, preset {preset}",
            lambda: train(
                training.model,
                data,
                folder,
                preset=preset,
                steps=steps,
                device=self.device,
                overrides=settings,
                resume=True,
            ),
        )

    def run_folder(self, training: Training) -> Path:
        """Where a run goes."""
        return self.out / "runs" / training.recipe / training.name

    def settings(self, training: Training) -> tuple[str, dict[str, Any]]:
        """The preset that is trained, and what differs from it."""
        if not self.is_demo:
            return training.preset, dict(training.settings)
        presets = model_class(training.model).PRESETS
        if "tiny" not in presets:
            raise UserError(f"{training.model} has no preset tiny, which demo scale trains")
        paper, wanted = (presets[name].model_dump() for name in ("paper", training.preset))
        tiny = presets["tiny"].model_dump()
        changed = {key: wanted[key] for key in wanted if wanted[key] != paper[key]}
        settings = {key: changed[key] for key in changed.keys() - OF_SIZE}
        # Averaged weights would still be those of the start after so few steps.
        settings |= {"ema": None, "batch_size": min(4, tiny["batch_size"])}
        if tiny["crop_size"]:
            settings["crop_size"] = min(DEMO_CROP, tiny["crop_size"])
        return "tiny", settings | dict(training.settings)

    def score(
        self, scoring: Scoring, metrics: list[str], folder: Path, protocol: str, repeats: int
    ) -> Path:
        """The result folder, evaluated if need be."""
        place = self.data(scoring.recipe, scoring.data)
        using = self.tools(metrics)
        if scoring.tool:
            using[scoring.tool[0]] = str(self.run(scoring.tool[1]))
        if scoring.training:
            self.run(scoring.training)

        def make() -> Evaluation:
            data = open_data(place)
            return evaluate(
                data,
                folder,
                restore=self.restorer(scoring, data),
                name=scoring.name,
                protocol=protocol,
                metrics=metrics,
                repeats=repeats,
                using=using,
            )

        return self.once(
            folder, f"Scoring {scoring.name} on {scoring.data or scoring.recipe}", make
        )

    def describe(self, scoring: Scoring, folder: Path) -> Path:
        """The result folder of a captioner, scored if need be; UserError where it is none."""
        if scoring.training is None:
            raise UserError(f"{scoring.name}: no captioner")
        place, run = self.data(scoring.recipe), self.run(scoring.training)
        return self.once(
            folder,
            f"Scoring the captions of {scoring.name} on {scoring.data}",
            lambda: caption_split(open_data(place), run, folder, scoring.name, self.device),
        )

    def restorer(self, scoring: Scoring, data: ScoredSplit) -> Restorer:
        """What restores."""
        by = scoring.restored_by
        if isinstance(by, Training):
            return trained(self.run(by), scoring.name, self.device)
        if by == BLUR and not scoring.tool:
            return Identity(scoring.name)
        return Given(scoring.name, data, by)

    def tools(self, metrics: list[str]) -> dict[str, str]:
        """What the metrics need of the user, by the names of `--using`."""
        needs = {need for metric in metrics for need in find_metric(metric).needs}
        wanted = [("features", "features"), ("gallery", "embedding")]
        return {tool: self.weights(tool) for need, tool in wanted if need in needs}

    def weights(self, tool: str) -> str:
        """The file of a tool's weights; UserError where it is not there."""
        if self.root is None:
            return "pixels"
        files = [self.root / f"{WEIGHTS[tool]}{suffix}" for suffix in SUFFIXES]
        for file in files:
            if file.is_file():
                return str(file)
        raise UserError(f"{files[0]}: no weights for --using {tool}; put a .pt2 or VGG16's there")

    def once(self, folder: Path, what: str, make: Callable[[], object]) -> Path:
        """Make a folder and say so, the first time that it is asked for; gives it back.

        UserError again where it failed before: whatever builds on it has the same reason.
        """
        key = str(folder)
        if key not in self.failed:
            self.tell(f"\n{what}")
            try:
                self.tell(str(make()))
            except (UserError, ValueError, RuntimeError) as error:
                self.failed[key] = one_line(error)
                self.tell(f"not made: {self.failed[key]}")
            else:
                self.failed[key] = ""
        if self.failed[key]:
            raise UserError(self.failed[key])
        return folder


def lacking(builder: Builder, training: Training) -> str:
    """What a training needs and cannot find, in one line; empty where it could start."""
    try:
        preset, settings = builder.settings(training)
        build(training.model, preset, **settings).prepare()
    except UserError as error:
        # The opt-in that messages offer is for `train`: random features would be another table.
        return f"{training.name}: {str(error).partition(', or opt in')[0]}"
    return ""
