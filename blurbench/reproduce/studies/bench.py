"""Where a study is worked on: its data set, its runs, and the records that stay of them.

OUT/records, study.csv and study.html are small and meant for a repository; OUT/work is not.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import DATASET
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import write_text
from blurbench.ranking.statistics import Scores
from blurbench.recipes.recipe import Recipe, load_recipe
from blurbench.reproduce.studies.figures import balances
from blurbench.reproduce.studies.records import (
    Recorded,
    RunRecord,
    read_record,
    score_row,
    write_record,
)
from blurbench.reproduce.studies.study import PREPARED, Arm, BlurredData, Study
from blurbench.runs.folder import weights_file
from blurbench.runs.history import minutes_of
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.restorers import Identity, Restorer
from blurbench.scoring.result_folder import ScoredPicture, read_pictures
from blurbench.sources.open import Source, open_for

PROTOCOL, METRICS = "wang-rgb", ("psnr", "ssim")
WEIGHTS = "last"  # as trained, after the last step: no choice is left to a validation split
TEST = "test"

Run = tuple[Arm, int]  # with its seed


@dataclass(frozen=True)
class Bench:
    """One study in one folder."""

    study: Study
    out: Path
    root: Path | None  # of the user's data
    stand_in: bool = False  # built-in pictures in place of the user's
    device: str = "cpu"
    tell: Callable[[str], object] = print

    @property
    def work(self) -> Path:
        """What may be lost: data, runs, results, claims."""
        return self.out / "work"

    @property
    def data_folder(self) -> Path:
        """Of the data set."""
        return self.work / "data"

    def run_folder(self, arm: Arm, seed: int) -> Path:
        """Of a training."""
        return self.work / "runs" / arm.name / str(seed)

    def weights(self, arm: Arm, seed: int) -> Path:
        """What restores: a trained run's last weights, or a public file."""
        if arm.weights:
            return self.file(arm.weights)
        return self.run_folder(arm, seed) / f"{WEIGHTS}.safetensors"

    def file(self, name: str) -> Path:
        """A file below the data root, or that of a folder; UserError where it is not there."""
        if self.root is None:
            raise UserError(f"{name}: lies below --data-root, and has no stand-in")
        path = weights_file(self.root / name)
        if not path.is_file():
            raise UserError(f"{self.root / name}: is not there; docs/studies.md tells what it is")
        return path

    def lacks(self, arm: Arm) -> str:
        """Which public file an arm cannot find, in one line; empty where it could start."""
        try:
            for name in public_files(arm):
                self.file(name)
        except UserError as error:
            return str(error)
        return self.lacks(self.study.arm(arm.begins_with)) if arm.begins_with else ""

    def data_sets(self) -> dict[Path, BlurredData]:
        """What is blurred, by where: the study's pairs, and those of its measures."""
        others = {self.measured_on(each.name): each.data for each in self.study.measures}
        return {self.data_folder: self.study.data, **{f: d for f, d in others.items() if d}}

    def measured_on(self, measure: str) -> Path:
        """The data set of a measure that has pictures of its own."""
        return self.work / f"data-{measure}"

    def recipe(self, folder: Path) -> Recipe:
        """Of one of the data sets: the shipped recipe with what the study changes."""
        data, name = self.data_sets()[folder], folder.name.replace("data", self.study.name)
        title, name = f"{self.study.title}: its pairs", f"{name}{'-stand-in' * self.stand_in}"
        return load_recipe(data.recipe).model_copy(
            update={"name": name, "title": title, **data.changes}
        )

    def source(self, folder: Path) -> Source:
        """The sharp pictures of one of the data sets."""
        data = self.data_sets()[folder]
        if self.stand_in:
            return open_for(self.recipe(folder), data.stand_in)
        if self.root is None:
            raise UserError(f"{self.out}: was begun with a --data-root; give it to go on")
        return open_for(self.recipe(folder), str(self.root / data.folder))

    def make_data(self) -> None:
        """The data sets, or what is missing of them; `work` is kept out of git."""
        write_text(self.work / ".gitignore", "*\n")
        unmade = self.unmade()
        for folder in self.data_sets():
            if folder in unmade:
                self.tell(f"Blurring the pictures of {self.recipe(folder).name}")
            # A set that is whole costs a look at its files' sizes; what it lost is made again.
            done = synthesize(self.recipe(folder), self.source(folder), folder)
            if folder in unmade or done.made:
                self.tell(str(done))

    def unmade(self) -> list[Path]:
        """The data sets that are not whole."""
        return [folder for folder in self.data_sets() if not (folder / DATASET).is_file()]

    def has_data(self) -> bool:
        """Whether the study's pairs are made."""
        return self.data_folder not in self.unmade()

    def config(self, arm: Arm, seed: int) -> dict[str, Any]:
        """All that the study says of a run."""
        data, measure = self.study.data, self.study.measure(arm)
        scored: dict[str, Any] = {"protocol": PROTOCOL, "metrics": METRICS}
        if measure:
            scored = {
                "measure": measure.name,
                **(self.blurred(measure.data) if measure.data else {}),
            }
        told = {
            "study": self.study.name,
            "arm": arm.name,
            "seed": seed,
            "model": arm.model,
            "preset": arm.preset,
            "settings": dict(arm.settings),
            "steps": arm.steps,
            "begins_with": arm.begins_with,
            "weights": arm.weights,
            "files": dict(arm.files),
            "data": self.blurred(data),
            "scored": {"weights": WEIGHTS, **scored},
        }
        as_read: dict[str, Any] = json.loads(json.dumps(told))
        return as_read

    def blurred(self, data: BlurredData) -> dict[str, Any]:
        """What a data set is made of."""
        return {
            "pictures": data.stand_in if self.stand_in else data.folder,
            "recipe": data.recipe,
            "changes": {name: plain(value) for name, value in data.changes.items()},
        }

    def record_folder(self, arm: Arm, seed: int) -> Path:
        """Of what stays of a run."""
        return self.out / "records" / arm.name / str(seed)

    def recorded(self, arm: Arm, seed: int) -> Recorded | None:
        """A finished run; None where it is missing; UserError where it is none of this study's."""
        folder = self.record_folder(arm, seed)
        found = read_record(folder, self.config(arm, seed))
        if found and (others := moved(arm, found.run.model)):
            raise UserError(
                f"{folder}: was run when preset {arm.preset} of {arm.model} had another"
                f" {', '.join(others)}; remove that folder to run it again, or give another --out"
            )
        if found and self.has_data() and found.run.digest != self.digest:
            raise UserError(
                f"{folder}: was scored on another data set than {self.data_folder}"
                f" ({found.run.digest[:12]}, not {self.digest[:12]}); give another --out"
            )
        return found

    @cached_property
    def digest(self) -> str:
        """Of the data set, once it is made."""
        return self.split().digest

    def split(self, name: str = TEST) -> BlurDataset:
        """A split of the data set."""
        return BlurDataset(self.data_folder, name)

    def train(self, arm: Arm, seed: int) -> None:
        """Train a run to its end."""
        from blurbench.training.train import train

        folder = self.run_folder(arm, seed)
        if not arm.steps or self.weights(arm, seed).is_file():
            return
        init = self.weights(self.study.arm(arm.begins_with), PREPARED) if arm.begins_with else None
        files = {field: str(self.file(name)) for field, name in arm.files.items()}
        done = train(
            arm.model,
            self.data_folder,
            folder,
            preset=arm.preset,
            steps=arm.steps,
            seed=seed,
            init=init,
            device=self.device,
            overrides={**arm.settings, **files},
            resume=True,
        )
        self.tell(str(done))

    def score(self, arm: Arm, seed: int) -> tuple[list[dict[str, Any]], float]:
        """Score the test pictures; rows of scores.csv, and CPU minutes."""
        from blurbench.reproduce.studies.measures import score_rows
        from blurbench.scoring.restorers import trained

        measure = self.study.measure(arm)
        identity = {} if measure else self.identity()
        before = time.process_time()
        if measure:
            rows = score_rows(self, measure, arm, seed)
        else:
            named = (arm.model, arm.preset) if arm.weights else (None, "paper")
            restorer = trained(self.weights(arm, seed), arm.name, self.device, *named)
            pictures = self.evaluate(self.split(), restorer, f"{arm.name}-{seed}")
            rows = [score_row(each, identity) for each in pictures]
        return rows, (time.process_time() - before) / 60

    def evaluate(
        self,
        split: BlurDataset,
        restorer: Restorer,
        name: str,
        metrics: Sequence[str] = METRICS,
        **using: str,
    ) -> list[ScoredPicture]:
        """The test pictures scored; `using`: networks that a metric needs."""
        folder = self.work / "results" / name
        done = evaluate(
            split,
            folder,
            restore=restorer,
            name=restorer.name,
            protocol=PROTOCOL,
            metrics=metrics,
            using=using,
        )
        if done.failed:
            raise UserError(f"{done}")
        return [each for _, each in read_pictures(folder)]

    def identity(self) -> Scores:
        """PSNR of the blurred pictures, dB."""
        pictures = self.evaluate(self.split(), Identity(), "identity")
        return {each.id: each.metrics["psnr"] or 0.0 for each in pictures}

    def perform(self, arm: Arm, seed: int) -> None:
        """Train, score and record one run."""
        self.tell(f"\n{self.study.name}: {arm.name}, seed {seed} ({arm.what})")
        self.train(arm, seed)
        rows, scoring = self.score(arm, seed)
        record = self.record(arm, seed, scoring)
        write_record(self.record_folder(arm, seed), self.config(arm, seed), rows, record)

    def record(self, arm: Arm, seed: int, scoring: float) -> RunRecord:
        """run.json."""
        from blurbench.models import build
        from blurbench.models.base import parameter_count
        from blurbench.models.parts.released import fingerprint
        from blurbench.reproduce.studies.machine import machine
        from blurbench.runs.folder import read_config
        from blurbench.training.budget import spent

        if arm.weights:
            settings: dict[str, Any] = {}
        else:
            settings = read_config(self.run_folder(arm, seed))["config"] | dict(arm.files)
        model = build(arm.model, arm.preset, **settings)
        budget = spent(model, arm.steps) if arm.steps else None
        return RunRecord(
            digest=self.digest,
            pairs={name: len(self.split(name)) for name in ("train", TEST)},
            steps=arm.steps,
            samples=budget.restoring if budget else 0,
            beside=budget.beside if budget else {},
            parameters=parameter_count(*model.inference_modules()),
            model=model.config.model_dump(mode="json"),
            files={name: fingerprint(self.file(name)) for name in public_files(arm)},
            minutes=round(minutes_of(self.run_folder(arm, seed)), 3),
            scoring_minutes=round(scoring, 3),
            environment=machine(self.device),
            **self.more(arm, seed, model.config.model_dump()),
        )

    def more(self, arm: Arm, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
        """What only some records have."""
        found: dict[str, Any] = {}
        measure = self.study.measure(arm)
        if measure and measure.data:
            found["measured"] = BlurDataset(self.measured_on(measure.name), TEST).digest
        if figures := balances(self.run_folder(arm, seed), settings):
            found["figures"] = figures
        return found


def public_files(arm: Arm) -> list[str]:
    """Files below the data root that an arm needs."""
    return [*arm.files.values(), *([arm.weights] if arm.weights else [])]


def moved(arm: Arm, then: dict[str, Any]) -> list[str]:
    """Settings of an arm that its preset has changed since a run; new ones leave it as it was."""
    from blurbench.models import model_class

    kind = model_class(arm.model)
    now = kind.Config(**{**kind.PRESETS[arm.preset].model_dump(), **arm.settings, **arm.files})
    told: dict[str, Any] = now.model_dump(mode="json")
    # The arm states its steps; auto stands for what the processor computes.
    return [
        n for n in sorted(told.keys() & then.keys() - {"steps", "precision"}) if told[n] != then[n]
    ]


def plain(value: Any) -> Any:
    """A field of a recipe as JSON has it."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def steps_done(run: Path) -> int:
    """Where the newest checkpoint of a run stands."""
    from blurbench.training.checkpoint import checkpoints

    found = checkpoints(run)
    return int(found[-1].name) if found else 0
