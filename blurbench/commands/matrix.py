"""`blurbench matrix`: every run on every test set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import FOLDER, PLACE, many_workers, parse_named, parse_tools
from blurbench.errors import UserError
from blurbench.stores.open import base_name, is_url

NamedPlaces = dict[str, Path | str]


@click.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--data",
    type=PLACE,
    multiple=True,
    required=True,
    help="A test set: a folder or a URL, or NAME=FOLDER. Give each.",
)
@click.option("--out", type=FOLDER, required=True, help="matrix.html, matrix.csv, and the results.")
@click.option("--protocol", default="wang-rgb", show_default=True)
@click.option("--metrics", default="psnr,ssim", show_default=True, help="By commas.")
@click.option("--split", default="test", show_default=True)
@click.option("--using", multiple=True, metavar="TOOL=VALUE", help="As of `blurbench evaluate`.")
@click.option("--overwrite", is_flag=True, help="Score again what changed since --out was made.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@many_workers
def matrix(
    runs: tuple[Path, ...],
    data: tuple[Path | str, ...],
    out: Path,
    metrics: str,
    split: str,
    using: tuple[str, ...],
    **options: Any,
) -> int:
    """Evaluate RUNs on several test sets, and write one table: trained on, tested on.

    A folder that is no run stands for all runs below it; NAME=RUN is called NAME. The same command
    goes on with what is there.
    """
    options["workers"].prepare("blurbench.scoring.spread")
    from blurbench.ranking.matrix_report import refuse_others, write_matrix
    from blurbench.scoring import evaluate as evaluation
    from blurbench.scoring.matrix import score_matrix
    from blurbench.scoring.photographs import open_data

    measured = metrics.split(",")
    evaluation.check_names(options["protocol"], measured)
    refuse_others(out)
    rows, columns = named_runs(runs), named_sets(data)
    # All of them before the first: what is missing is told before hours of work.
    sets = {name: open_data(place, split) for name, place in columns.items()}
    options |= {"metrics": measured, "using": parse_tools(using)}
    found, failed = [], 0
    for done in score_matrix(sets, out / "results", list(rows.values()), list(rows), **options):
        click.echo(done)
        failed += done.failed
        found += [done.out] if isinstance(done, evaluation.Evaluation) and done.images else []
    click.echo(write_matrix(out, found, list(sets), list(rows)))
    return 1 if failed else 0


def named_runs(given: Sequence[Path]) -> dict[str, Path]:
    """Runs by their names; UserError where two have the same, or one is not there."""
    from blurbench.runs.folder import CONFIG
    from blurbench.runs.history import find_runs
    from blurbench.runs.load import refuse_nothing

    named: list[tuple[str, Path]] = []
    for name, path in map(parse_named, given):
        refuse_nothing(path)
        several = name is None and path.is_dir() and not (path / CONFIG).is_file()
        named += [
            (name or run.resolve().name, run) for run in (find_runs([path]) if several else [path])
        ]
    return _apart(named, "RUN")


def named_sets(given: Sequence[Path | str]) -> NamedPlaces:
    """Data sets by their names; UserError where two have the same."""
    split = [(None, place) if is_url(place) else parse_named(Path(place)) for place in given]
    return _apart([(name or base_name(place), place) for name, place in split], "--data")


def _apart(named: Sequence[tuple[str, Any]], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, place in named:
        if name in found and found[name] == place:
            raise UserError(f"{place}: is given twice; give it once")
        if name in found:
            raise UserError(
                f"{place}: is called {name} like {found[name]}; give {what} as NAME={place}"
            )
        if Path(name).name != name or name == "..":
            raise UserError(f"{name}={place}: names a folder of --out, so without '/'")
        found[name] = place
    return found
