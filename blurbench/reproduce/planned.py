"""A training as it runs at one scale: preset, changed fields, steps, and what these spend."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from blurbench.errors import UserError
from blurbench.models import build, model_class
from blurbench.models.base import Model, ModelConfig
from blurbench.models.parts.small import FACES, PHOTOS, STILLS
from blurbench.reproduce.scales import Scale, ScaleName
from blurbench.reproduce.suites import Settings, Training
from blurbench.runs.folder import LOG
from blurbench.runs.log import read_log
from blurbench.training.budget import Budget, spent, steps_for
from blurbench.training.schedule import stage_bounds

WATCHED = (0.03, 0.5, 1.0)  # parts of UMSN's last stage: 3,000, 50,000 and 100,000 of 100,000 steps
DEMO_CROP = 64  # px
DEMO_BATCH = 4
# Fields that say how large a network is or how long it learns: at the smaller scales those of
# their preset stay.
OF_SIZE = {"steps", "batch_size", "crop_size", "crops", "batches", "inner", "blocks"}
OF_SIZE |= {"backbone_preset"}
# As tiny and small share them out: SN then learns as long in every row of UMSN's ablation.
OF_SIZE |= {"shares"}
# What all restorers see of a recipe's pairs at scale small; PHOTOS of any other. BRMR's networks,
# which want multiples of 128 px, learn from gopro too.
CROPS = {"umsn-faces": FACES, "concert": STILLS, "gopro": STILLS}


@dataclass(frozen=True)
class Planned:
    """What `train` is asked for."""

    preset: str
    settings: dict[str, Any]
    model: Model  # without any memory: its stages and config
    steps: int  # of all stages together

    @property
    def budget(self) -> Budget:
        """What the steps spend."""
        return spent(self.model, self.steps)

    @property
    def teacher(self) -> str:
        """A frozen network whose features it learns; empty for none."""
        return taught_by(self.model.config.model_dump())


def planned(training: Training, scale: Scale) -> Planned:
    """How a training runs at a scale; UserError where the model has no preset for it."""
    preset, settings = fields(training, scale)
    kind = (training.model, training.preset, training.recipe, training.settings)
    model = skeleton(*kind, scale.name)
    steps = training.steps if scale.name == "paper" else None
    if steps is None and training.samples is None:
        steps = model.config.steps
    if steps is None and training.samples is not None:
        seen = training.samples.at(scale)
        alone = all(stage.beside for stage in model.stages())  # it restores nothing
        steps = seen // model.config.batch_size if alone else steps_for(model, seen)
    assert steps is not None
    if model.config.model_dump().get("confidence"):
        settings |= {"sample_at": watched(model, steps)}
    return Planned(preset, settings, model, steps)


def watched(model: Model, steps: int) -> tuple[int, ...]:
    """The steps at which UMSN's Table VII looks at two pictures, in a run of any length."""
    first, last = stage_bounds(model.stages(), steps)[-1]
    return tuple(first + max(1, round(part * (last - first))) for part in WATCHED)


@cache
def skeleton(model: str, preset: str, recipe: str, settings: Settings, scale: ScaleName) -> Model:
    """A model as a scale trains it, whatever its seed and steps; it takes no memory."""
    wanted, changed = fields(Training(model, preset, recipe, settings), Scale(scale))
    with torch.device("meta"):
        return build(model, wanted, **changed)


def taught_by(config: dict[str, Any]) -> str:
    """The network that a preset learns features of, beside sharp pictures; empty for none."""
    return str(config["teacher"]) if config.get("prior_weight") and "teacher" in config else ""


def fields(training: Training, scale: Scale) -> tuple[str, dict[str, Any]]:
    """The preset that is trained, and what differs from it.

    At the smaller scales that scale's preset, with what the wanted one is about: a prior without
    CLC stays one without CLC. UserError where the model has no preset for the scale.
    """
    if scale.name == "paper":
        return training.preset, dict(training.settings)
    if why := without_preset(training, scale):
        raise UserError(why)
    presets, small = model_class(training.model).PRESETS, scale.name == "small"
    preset = f"{scale.preset}-{training.preset}"
    if small and preset in presets:  # sized to have as many parameters as its rivals
        settings = {}
    else:
        preset, settings = scale.preset, about(presets, training.preset)
    settings |= shown(training) if small else hurried(presets["tiny"])
    held = presets[preset].model_dump()
    differing = {key: value for key, value in settings.items() if value != held[key]}
    return preset, differing | dict(training.settings)


def about(presets: dict[str, ModelConfig], name: str) -> dict[str, Any]:
    """What a preset has that `paper` has not, sizes aside."""
    paper, wanted = (presets[each].model_dump() for each in ("paper", name))
    return {key: wanted[key] for key in wanted.keys() - OF_SIZE if wanted[key] != paper[key]}


def shown(training: Training) -> dict[str, Any]:
    """The crops and batches that all restorers of a recipe learn from at scale small."""
    restores = model_class(training.model).RESTORES
    return dict(CROPS.get(training.recipe, PHOTOS)) if restores else {}


def hurried(tiny: ModelConfig) -> dict[str, Any]:
    """How a preset `tiny` learns at demo scale."""
    # Averaged weights would still be those of the start after so few steps; and the numbers are to
    # be the same on every processor.
    settings: dict[str, Any] = {"ema": None, "precision": "fp32", "crops": (), "batches": ()}
    settings["batch_size"] = min(DEMO_BATCH, tiny.batch_size)
    if tiny.crop_size:
        settings["crop_size"] = min(DEMO_CROP, tiny.crop_size)
    return settings


def without_preset(training: Training, scale: Scale) -> str:
    """That a model has no preset for the scale, in one line; empty where it has."""
    if not scale.preset or scale.preset in model_class(training.model).PRESETS:
        return ""
    return f"{training.model} has no preset {scale.preset}, which --scale {scale.name} trains"


def beside(training: Training, scale: Scale) -> dict[str, int]:
    """Samples of each stage beside the restoring ones, and of the weights that it begins with."""
    found = dict(planned(training, scale).budget.beside)
    if training.init:
        first = planned(training.init, scale).budget
        found[f"first weights of {training.init.model}"] = first.restoring
    return found


def training_seconds(run: Path) -> float | None:
    """Seconds that the steps of a run took, by its log; None where it has none.

    Of the process's CPU on a CPU, where the log has it, else of the clock.
    """
    if not (run / LOG).is_file():
        return None
    seconds, before = 0.0, 0
    for row in read_log(run):
        if "seconds_per_step" in row:
            seconds += seconds_a_step(row) * (row["step"] - before)
            before = row["step"]
    return seconds or None


def seconds_a_step(row: dict[str, Any]) -> float:
    """Of one row of a log: of the process's CPU, where it has that."""
    return float(row.get("cpu_seconds_per_step", row["seconds_per_step"]))
