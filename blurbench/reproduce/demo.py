"""The demo: the whole pipeline on bundled pictures, in minutes on a CPU."""

import time
from dataclasses import dataclass
from pathlib import Path

import click

from blurbench.datasets.make import synthesize
from blurbench.ranking.report import leaderboard
from blurbench.recipes.recipe import load_recipe
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, Restorer, trained
from blurbench.sources.open import open_for
from blurbench.training.train import train


@dataclass(frozen=True)
class DemoRun:
    """One training of the demo: which model, on which data set, for how many steps."""

    model: str
    data: str
    steps: int


DATA = (
    ("photos", "demo", "builtin:photos", "crops of photographs that scikit-image carries"),
    ("severe", "sev-blurdata", "builtin:whole-photos", "the same photographs, whole, severely"),
    ("faces", "demo-faces", "builtin:procedural-faces", "SYNTHETIC faces, drawn by the program"),
)
# About a minute of one core.
RUNS = (DemoRun("unet", "photos", 200),)
SHIPPED = Path("scene")  # weights that lie in the package, trained on other pictures than these

CLOSING = """\
What was trained here has seen a few pictures for a minute: it shows that every stage works, from a
sharp picture to a leaderboard row. The weights `scene` begin as a public network's. Preset `small`
of each model takes an hour of one core. Preset `paper` needs a GPU, real data sets and days: see
README.md."""


def run_demo(out: Path, runs: tuple[DemoRun, ...] = RUNS, limit: int | None = None) -> Path:
    """Synthesize, train, evaluate and rank below `out`; gives the page. A second run resumes."""
    began = time.monotonic()
    for name, recipe, source, what in DATA:
        say(f"Blurring {what}, by the recipe {recipe!r} into {out / name}")
        loaded = load_recipe(recipe)
        summary = synthesize(loaded, open_for(loaded, source), out / name, limit=limit)
        click.echo(summary)
    for run in runs:
        folder = run_folder(out, run)
        say(f"Training {run.model}, preset tiny, on {run.data} for {run.steps} steps into {folder}")
        click.echo(
            train(
                run.model,
                out / run.data,
                folder,
                preset="tiny",
                steps=run.steps,
                device="cpu",
                # So that every processor comes to the published boards, with bf16 or without.
                overrides={"precision": "fp32"},
                resume=True,
            )
        )
    results = [result for name, *_ in DATA for result in score(out, name, runs)]
    say("Ranking them, each data set apart")
    click.echo(leaderboard(results, out / "leaderboard"))
    click.echo(f"\n{CLOSING}\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.")
    return (out / "leaderboard" / "leaderboard.html").resolve()


def score(out: Path, data: str, runs: tuple[DemoRun, ...]) -> list[Path]:
    """Evaluate blurred pictures, shipped weights and runs on a data set; gives the results."""
    restorers: list[Restorer] = [Identity(), trained(SHIPPED, str(SHIPPED), "cpu")]
    own = [run for run in runs if run.data == data]
    restorers += [trained(run_folder(out, run), run.model, "cpu") for run in own]
    pairs, folders = open_data(out / data), []
    for restorer in restorers:
        say(f"Scoring {restorer.name} on the test pictures of {data}")
        folders.append(out / "results" / data / restorer.name)
        click.echo(evaluate(pairs, folders[-1], restore=restorer, name=restorer.name))
    return folders


def run_folder(out: Path, run: DemoRun) -> Path:
    """Where a training of the demo goes."""
    return out / "runs" / f"{run.model}-{run.data}"


def say(what: str) -> None:
    """Announce the next stage."""
    click.secho(f"\n{what}", bold=True)
