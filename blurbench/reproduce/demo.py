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
from blurbench.scoring.restorers import Identity, trained
from blurbench.sources.open import open_for
from blurbench.training.train import train


@dataclass(frozen=True)
class DemoRun:
    """One training of the demo: which model, on which data set, for how many steps."""

    model: str
    data: str
    steps: int


DATA = (
    ("photos", "demo", "builtin:photos", "photographs that scikit-image carries"),
    ("faces", "demo-faces", "builtin:procedural-faces", "SYNTHETIC faces, drawn by the program"),
)
# Steps that take about five minutes together on two cores.
RUNS = (
    DemoRun("unet", "photos", 400),
    DemoRun("unet", "faces", 300),
    DemoRun("umsn", "faces", 400),
)

CLOSING = """\
These numbers are small on purpose: tiny networks, a few hundred steps, a handful of pictures.
They show that every stage works from a sharp picture to a leaderboard row, and nothing about
what the papers' models can do. For that, train preset `paper` on real data sets: see README.md."""


def run_demo(out: Path, runs: tuple[DemoRun, ...] = RUNS, limit: int | None = None) -> Path:
    """Synthesize, train, evaluate and rank below `out`; gives the page. A second run resumes."""
    began = time.monotonic()
    for name, recipe, source, what in DATA:
        say(f"Blurring {what} by the recipe {recipe!r} into {out / name}")
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
    say("Ranking them, photographs and faces apart")
    click.echo(leaderboard(results, out / "leaderboard"))
    click.echo(f"\n{CLOSING}\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.")
    return (out / "leaderboard" / "leaderboard.html").resolve()


def score(out: Path, data: str, runs: tuple[DemoRun, ...]) -> list[Path]:
    """Evaluate the blurred pictures and every run on one data set; gives the result folders."""
    pairs, folders = open_data(out / data), []
    for run in (None, *(run for run in runs if run.data == data)):
        name = run.model if run else "identity"
        say(f"Scoring {name} on the test pictures of {data}")
        restorer = trained(run_folder(out, run), name, "cpu") if run else Identity()
        folders.append(out / "results" / data / name)
        click.echo(evaluate(pairs, folders[-1], restore=restorer, name=name))
    return folders


def run_folder(out: Path, run: DemoRun) -> Path:
    """Where a training of the demo goes."""
    return out / "runs" / f"{run.model}-{run.data}"


def say(what: str) -> None:
    """Announce the next stage."""
    click.secho(f"\n{what}", bold=True)
