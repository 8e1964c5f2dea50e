"""`blurbench train`: from a model's name and a data set to a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blurbench.commands.options import (
    FOLDER,
    MINUTES,
    PLACE,
    YEAR,
    MinutesRange,
    parse_settings,
    parse_share,
)
from blurbench.errors import UserError, hand_over
from blurbench.signals import prompt
from blurbench.stores.open import is_url

if TYPE_CHECKING:
    from blurbench.training.data.opened import TrainingData


@click.command()
@click.option(
    "--model",
    help="A name from `blurbench list models`; with --init, default: that of its weights.",
)
@click.option(
    "--data",
    type=PLACE,
    multiple=True,
    help="A data set made by synthesize: a folder, or a URL. Several, each as DIR or DIR=SHARE of"
    " the samples, are learnt from together.",
)
@click.option("--recipe", help="Or blur on the fly: this recipe, with --source.")
@click.option("--source", help="Folder of pictures, or builtin:NAME, for --recipe.")
@click.option("--out", type=FOLDER, required=True, help="The run folder.")
@click.option("--preset", default="paper", show_default=True)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="In total, over all stages; more than before extend a run where its rates are constant.",
)
@click.option(
    "--minutes",
    type=MINUTES,
    help="In place of --steps: a budget, turned into steps before the first. CPU time of all"
    " threads on a CPU, wall time on a GPU.",
)
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the training sources to judge by, where the data has no val split.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--init", type=FOLDER, help="Start from the weights of this run or file.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the preset.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint, if any.")
@click.option(
    "--checkpoint-minutes",
    type=MinutesRange(0, YEAR),
    default=2.0,
    show_default=True,
    help="Time on the clock between checkpoints; 0: one after every step.",
)
@click.option("--plan", is_flag=True, help="Memory, parameters and time; write nothing.")
def train(
    model: str | None,
    data: tuple[Path | str, ...],
    recipe: str | None,
    source: str | None,
    out: Path,
    preset: str,
    steps: int | None,
    minutes: float | None,
    hold_out: float | None,
    seed: int,
    init: Path | None,
    device: str | None,
    processes: int,
    settings: tuple[str, ...],
    resume: bool,
    checkpoint_minutes: float,
    plan: bool,
) -> int:
    """Train a model on data sets, or on pairs blurred anew in every epoch."""
    if (not data) == (recipe is None) or (recipe is None) != (source is None):
        raise click.UsageError("Give --data, or --recipe and --source.")
    # Around the imports, too: on a cold disk those of PyTorch take seconds.
    with prompt(hand_over):
        from blurbench.runs.load import resolved
        from blurbench.training.train import train as run

        changed = parse_settings(settings)
        init = init and resolved(init)
        if model is None:
            model, preset, changed = model_of(init, preset, changed)
        done = run(
            model,
            named_data(data) if data else (recipe or "", source or ""),
            out,
            preset=preset,
            steps=steps,
            minutes=minutes,
            hold_out=hold_out,
            seed=seed,
            init=init,
            device=device,
            overrides=changed,
            resume=resume,
            processes=processes,
            checkpoint_seconds=60 * checkpoint_minutes,
            plan=plan,
        )
    click.echo(done)
    return 0


def named_data(data: tuple[Path | str, ...]) -> "TrainingData":
    """One data set as it is; of several each with its share, where it states one."""
    from blurbench.training.data.opened import Weighted

    if len(data) == 1 and (is_url(data[0]) or parse_share(data[0])[1] is None):
        return data[0]
    if len(data) == 1:
        raise UserError(f"--data {data[0]}: a share is of one among several; leave it out")
    return [Weighted(*parse_share(each)) for each in data]


def model_of(
    init: Path | None, preset: str, changed: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Model, preset and settings of the weights of --init, with what was changed over them."""
    if init is None or preset != "paper":
        raise click.UsageError("Give --model; it is left out with --init alone, and no --preset.")
    from blurbench.runs.load import owner_of_checkpoint

    owner = owner_of_checkpoint(init)
    click.echo(f"{init}: {owner}", err=True)
    return owner.model, owner.preset, {**owner.fields, **changed}
