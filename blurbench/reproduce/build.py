"""Where a table is made again: its data sets, runs and results, each made once and found again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from blurbench.datasets.format import DATASET, Row
from blurbench.datasets.index import index
from blurbench.datasets.make import synthesize
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError, one_line
from blurbench.metrics import find_metric
from blurbench.models import build
from blurbench.recipes.existing import Existing
from blurbench.recipes.recipe import load_any_recipe
from blurbench.reproduce.planned import fields, planned
from blurbench.reproduce.scales import DEMO, Scale
from blurbench.reproduce.sharing import Sharing
from blurbench.reproduce.stand_ins import pictures, stand_in
from blurbench.reproduce.suites import BLUR, Scoring, Training
from blurbench.runs.folder import LAST
from blurbench.runs.trained import Restored
from blurbench.schemas import read_as
from blurbench.scoring.captions import caption_split
from blurbench.scoring.evaluate import Evaluation, evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, Restorer, trained
from blurbench.scoring.result_folder import SUMMARY
from blurbench.sources.open import open_for
from blurbench.training.train import train
from blurbench.weights.places import how, missing, present
from blurbench.weights.registry import OUTSIDE

CLAIMS = ".claims"
# Tool of a metric -> its file below the data root, without suffix; and what else may be fetched.
FETCHED = {"features": "vgg-face", "embedding": "dlib-face"}
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
    root: Path | None = None  # of the user's data; None: stand-ins
    scale: Scale = DEMO
    device: str | None = None
    tell: Callable[[str], object] = print
    failed: dict[str, str] = field(default_factory=dict)  # folder -> why it could not be made
    over: str = ""  # why nothing more is begun; empty while there is time
    opened: dict[Path, ScoredSplit] = field(default_factory=dict)  # the split that was scored last

    def __post_init__(self) -> None:
        """Open what shares the work with other processes."""
        self.sharing = Sharing(self.out / CLAIMS, self.tell)

    def source(self, recipe: str, data: str) -> Path:
        """Where the user's pictures, pairs or made data set for a recipe lie."""
        folder = (self.root or Path()) / recipe
        return folder / data if recipe in SHARED else folder

    def data_folder(self, recipe: str, data: str = "") -> Path:
        """Where a data set is, or goes."""
        source = self.source(recipe, data)
        if self.root is not None and (source / DATASET).is_file():
            return source
        name = f"{recipe}-{data.lower()}" if recipe in SHARED else recipe
        return self.out / "data" / name

    def data(self, recipe: str, data: str = "") -> Path:
        """The data set, made if need be."""
        folder = self.data_folder(recipe, data)
        name, source = folder.name, self.source(recipe, data)
        if self.root is not None and folder == source:
            return folder
        if self.root is None:
            made, of = stand_in(recipe, all_there_are=self.scale.name == "small")
            return self.once(
                folder,
                f"Making {name}: a stand-in, {of.describe()}",
                lambda: synthesize(made, pictures(made, of), folder, seed=SEEDS.get(data, 0)),
            )
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
        init = self.run(training.init) if training.init else None
        data = self.data(training.recipe)
        wanted = planned(training, self.scale)
        return self.once(
            folder,
            f"Training {training.name} on {training.recipe}, preset {wanted.preset}",
            lambda: train(
                training.model,
                data,
                folder,
                preset=wanted.preset,
                steps=wanted.steps,
                seed=training.seed,
                init=init,
                device=self.device,
                overrides=wanted.settings,
                resume=True,
            ),
        )

    def run_folder(self, training: Training) -> Path:
        """Where a run goes."""
        return self.out / "runs" / training.recipe / training.name

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
            data = self.split(place)
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

        told = f"Scoring {scoring.name} on {scoring.data or scoring.recipe}"
        return self.once(folder, told, make, late=True)

    def split(self, place: Path) -> ScoredSplit:
        """The pictures to score of a data set; read once for all that is scored on them in turn."""
        if place not in self.opened:
            self.opened = {place: open_data(place)}
        return self.opened[place]

    def describe(self, scoring: Scoring, folder: Path) -> Path:
        """The result folder of a captioner, scored if need be; UserError where it is none."""
        if scoring.training is None:
            raise UserError(f"{scoring.name}: no captioner")
        place, run = self.data(scoring.recipe), self.run(scoring.training)
        return self.once(
            folder,
            f"Scoring the captions of {scoring.name} on {scoring.data}",
            lambda: caption_split(self.split(place), run, folder, scoring.name, self.device),
            late=True,
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
        """The file of a tool's weights, or what was fetched; UserError where neither is there."""
        if self.root is None:
            return "pixels"
        files = [self.root / f"{WEIGHTS[tool]}{suffix}" for suffix in SUFFIXES]
        for file in files:
            if file.is_file():
                return str(file)
        if present(OUTSIDE[FETCHED[tool]]):
            return FETCHED[tool]
        told = f"{files[0]}: no weights for --using {tool}; put a .pt2 or VGG16's there"
        raise UserError(f"{told}, or {how(FETCHED[tool])}")

    def once(
        self, folder: Path, what: str, make: Callable[[], object], *, late: bool = False
    ) -> Path:
        """Make a folder and say so, the first time that it is asked for; gives it back.

        UserError again where it failed before: whatever builds on it has the same reason. And where
        the time is over, but for what may be `late`: the scores of what is trained.
        """
        key = str(folder)
        if key not in self.failed:
            # Others may be making it, for hours.
            if self.over and not late and not finished(folder):
                raise UserError(self.over)
            with self.sharing.claimed(self.name_of(folder)):
                self.failed[key] = self._made(folder, what, make)
        if self.failed[key]:
            raise UserError(self.failed[key])
        return folder

    def _made(self, folder: Path, what: str, make: Callable[[], object]) -> str:
        """Why a folder could not be made; empty where it is."""
        if elsewhere := self.sharing.failed(self.name_of(folder)):
            return elsewhere
        there = finished(folder)
        # Even so `make` is asked: it checks that what is there is what is wanted.
        self.tell(f"found {self.name_of(folder)}" if there else f"\n{what}")
        try:
            told = str(make())
            if not there:
                self.tell(told)
        except (UserError, ValueError, RuntimeError) as error:
            why = one_line(error)
            self.tell(f"not made: {why}")
            self.sharing.fail(self.name_of(folder), why)
            return why
        return ""

    def owns(self, folder: Path) -> bool:
        """Whether a folder is made here, and not the user's."""
        return folder.is_relative_to(self.out)

    def name_of(self, folder: Path) -> str:
        """A folder as a job is called."""
        return folder.relative_to(self.out).as_posix()


class _Counted(TypedDict):
    images: NotRequired[int]


def finished(folder: Path) -> bool:
    """Whether a data set, run or result is whole."""
    if (folder / SUMMARY).is_file():  # which a result that is begun has, too
        return bool(read_as(_Counted, folder / SUMMARY, f"delete {folder}").get("images"))
    return any((folder / name).is_file() for name in (DATASET, LAST))


def lacking(training: Training, scale: Scale) -> list[str]:
    """The files that a training needs and cannot find, a line each."""
    try:
        preset, settings = fields(training, scale)
        needed = build(training.model, preset, **settings).files()
    except UserError as error:
        return [f"{training.name}: {error}"]
    # The opt-in that messages offer is for `train`: random features would be another table.
    return [f"{training.name}: {line}" for line in missing(replace(n, instead="") for n in needed)]
