"""The command line: each command parses, calls one function and prints. Imports wait until then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from blurbench import __version__
from blurbench.commands.captions import captions
from blurbench.commands.kernels import kernels
from blurbench.commands.reproduce import reproduce
from blurbench.errors import UserError
from blurbench.stores import is_url, open_store

FOLDER = click.Path(path_type=Path)


class FolderOrUrl(click.Path):
    """A folder as a Path; a URL stays text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path would make one slash of the two in s3://bucket."""
        return value if is_url(value) else super().convert(value, param, ctx)


PLACE = FolderOrUrl(path_type=Path)


class Pipeline(click.Group):
    """Lists its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The order of definition."""
        return list(self.commands)


@click.group(cls=Pipeline, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blurbench")
def cli() -> None:
    """Make severe-blur data sets, train deblurring models on them, rank the results."""


def many_workers(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that spreads its work."""
    workers = click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
    scheduler = click.option("--scheduler", help="Address of a running Dask scheduler.")
    return workers(scheduler(command))


@cli.command()
@click.option("--out", type=FOLDER, default=Path("demo"), show_default=True)
def demo(out: Path) -> int:
    """Run all of it on bundled pictures, in minutes."""
    from blurbench.demo import run_demo

    page = run_demo(out)
    click.echo(f"The leaderboard: {page}")
    return 0


@cli.command()
@click.argument("recipe")
@click.option("--source", required=True, help="Folder of pictures, or builtin:NAME.")
@click.option("--out", type=PLACE, help="Where the data set goes: a folder, or a URL.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Use the first N sources in hash order.")
@click.option("--format", "image_format", type=click.Choice(["png", "webp"]), default="png")
@click.option("--plan", "plan_only", is_flag=True, help="Counts, disk and time; write nothing.")
@many_workers
def synthesize(
    recipe: str,
    source: str,
    out: Path | str | None,
    seed: int,
    limit: int | None,
    image_format: str,
    plan_only: bool,
    workers: int,
    scheduler: str | None,
) -> int:
    """Make the data set RECIPE (a name, or a TOML file) from your own pictures."""
    from blurbench.data import manifest, shards, sources

    loaded = manifest.load_any_recipe(recipe)
    if isinstance(loaded, manifest.Existing):
        if seed or limit or image_format != "png":
            raise click.UsageError(f"{recipe} indexes pairs: no --seed, --limit or --format.")
        return index_pairs(loaded, source, out, plan_only, workers, scheduler)
    found = sources.open_for(loaded, source)
    if plan_only:
        click.echo(shards.plan(loaded, found, seed=seed, limit=limit))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out' (or add --plan to write nothing).")
    summary = shards.synthesize(
        loaded,
        found,
        out,
        seed=seed,
        limit=limit,
        image_format=image_format,
        workers=workers,
        scheduler=scheduler,
    )
    click.echo(summary)
    return 1 if summary.failed else 0


def index_pairs(
    recipe: Any,
    source: str,
    out: Path | str | None,
    plan_only: bool,
    workers: int,
    scheduler: str | None,
) -> int:
    """`synthesize` for pairs that exist."""
    from blurbench.data import existing

    if plan_only:
        click.echo(existing.plan(recipe, source))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out' (or add --plan to write nothing).")
    indexed = existing.index(recipe, source, out, workers=workers, scheduler=scheduler)
    click.echo(indexed)
    return 1 if indexed.failed else 0


@cli.command()
@click.argument("data", type=PLACE)
@many_workers
def verify(data: Path | str, workers: int, scheduler: str | None) -> int:
    """Is this data set, a folder or URL, exactly what its dataset.json says?"""
    from blurbench.data.verify import verify as check

    problems = check(data, workers=workers, scheduler=scheduler)
    for problem in problems:
        click.echo(problem)
    verdict = f"problems: {len(problems)}" if problems else "verified"
    click.echo(f"{open_store(data).where()}: {verdict}")
    return 1 if problems else 0


@cli.command()
@click.argument("data", type=PLACE)
@click.option("--to", "kind", required=True, help="webdataset, lmdb or basicsr.")
@click.option("--out", type=FOLDER, required=True)
@many_workers
def export(data: Path | str, kind: str, out: Path, workers: int, scheduler: str | None) -> int:
    """Write a data set in another format, and read it back."""
    from blurbench.data.export import export as write

    click.echo(write(data, kind, out, workers=workers, scheduler=scheduler))
    return 0


cli.add_command(kernels)


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value that reads as JSON is that, anything else is text."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write it as KEY=VALUE")
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


@cli.command()
@click.option("--model", required=True, help="A name from `blurbench list models`.")
@click.option("--data", type=PLACE, help="A data set made by synthesize: a folder, or a URL.")
@click.option("--recipe", help="Or blur on the fly: this recipe, with --source.")
@click.option("--source", help="Folder of pictures, or builtin:NAME, for --recipe.")
@click.option("--out", type=FOLDER, required=True, help="The run folder.")
@click.option("--preset", default="paper", show_default=True)
@click.option("--steps", type=click.IntRange(1), help="In total, over all stages.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--init", type=FOLDER, help="Start from the weights of this run or file.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the preset.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint, if any.")
def train(
    model: str,
    data: Path | str | None,
    recipe: str | None,
    source: str | None,
    out: Path,
    preset: str,
    steps: int | None,
    seed: int,
    init: Path | None,
    device: str | None,
    processes: int,
    settings: tuple[str, ...],
    resume: bool,
) -> int:
    """Train a model on a data set, or on pairs blurred anew in every epoch."""
    if (data is None) == (recipe is None) or (recipe is None) != (source is None):
        raise click.UsageError("Give --data, or --recipe and --source.")
    from blurbench.training.train import train as run

    done = run(
        model,
        data or (recipe or "", source or ""),
        out,
        preset=preset,
        steps=steps,
        seed=seed,
        init=init,
        device=device,
        overrides=parse_settings(settings),
        resume=resume,
        processes=processes,
    )
    click.echo(done)
    return 0


def of_weights(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose weights a --checkpoint holds that is a file and no run."""
    model = click.option("--model", help="Whose weights --checkpoint holds, if it is a file.")
    preset = click.option("--preset", default="paper", show_default=True, help="Of that --model.")
    return model(preset(command))


def parse_tools(using: tuple[str, ...]) -> dict[str, str]:
    """TOOL=VALUE pairs."""
    pairs = [item.partition("=") for item in using]
    if wrong := [tool for tool, equals, value in pairs if not (equals and value)]:
        raise UserError(f"--using {wrong[0]}: write it as TOOL=VALUE")
    return {tool: value for tool, _, value in pairs}


@cli.command()
@click.option("--data", type=PLACE, required=True, help="The data set: a folder, or a URL.")
@click.option("--out", type=FOLDER, required=True, help="The result folder.")
@click.option("--checkpoint", "runs", type=FOLDER, multiple=True, help="A run folder, or several.")
@click.argument("more", type=FOLDER, nargs=-1, metavar="")
@of_weights
@click.option("--restored", type=FOLDER, help="Anybody's restored pictures, paired by name.")
@click.option("--identity", is_flag=True, help="The blurred pictures themselves: the baseline.")
@click.option("--name", help="What the leaderboard calls it.")
@click.option("--protocol", default="wang-rgb", show_default=True)
@click.option("--metrics", default="psnr,ssim", show_default=True)
@click.option("--split", default="test", show_default=True)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, help="Draws of a model's noise to average."
)
@click.option(
    "--using",
    multiple=True,
    metavar="TOOL=VALUE",
    help="A network that some --metrics need: segmenter, detector, features, embedding.",
)
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
def evaluate(
    data: Path | str,
    out: Path,
    runs: tuple[Path, ...],
    more: tuple[Path, ...],  # of --checkpoint A B C
    model: str | None,
    preset: str,
    restored: Path | None,
    identity: bool,
    name: str | None,
    metrics: str,
    using: tuple[str, ...],
    device: str | None,
    **options: Any,
) -> int:
    """Score runs, restored pictures or the blurred ones against the sharp ones."""
    if (len(runs) > 0) + (restored is not None) + identity != 1:
        raise click.UsageError("Give one of --checkpoint, --restored and --identity.")
    if more and not runs:
        raise click.UsageError(f"{more[0]}: several runs go behind --checkpoint.")
    runs += more
    if (name or model) and len(runs) > 1:
        raise click.UsageError("--name and --model go with one --checkpoint.")
    from blurbench.evaluation import evaluate as evaluation
    from blurbench.evaluation.restorers import FolderRestorer, Identity, Restorer, trained

    options |= {"metrics": tuple(metrics.split(",")), "using": parse_tools(using)}
    if len(runs) > 1:
        failed = 0
        for done in evaluation.evaluate_runs(data, out, runs, device, **options):
            click.echo(done)
            failed += done.failed
        return 1 if failed else 0
    restore: Restorer
    if runs:
        restore = trained(runs[0], name, device, model, preset)
    else:
        restore = FolderRestorer(restored, name) if restored else Identity(name or "identity")
    summary = evaluation.evaluate(data, out, restore=restore, name=restore.name, **options)
    click.echo(summary)
    return 1 if summary.failed else 0


@cli.command()
@click.argument("results", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True)
@click.option("--compare", nargs=2, metavar="A B", help="Two models, picture by picture.")
def leaderboard(results: tuple[Path, ...], out: Path, compare: tuple[str, str] | None) -> int:
    """Rank RESULT folders, and CSV files of scores: leaderboard.csv and leaderboard.html."""
    from blurbench.evaluation import report

    click.echo(report.leaderboard(list(results), out, compare=compare))
    return 0


@cli.command()
@click.argument("source", type=FOLDER)
@click.option("--checkpoint", type=FOLDER, required=True, help="A run folder.")
@of_weights
@click.option("--out", type=FOLDER, required=True, help="A folder, or a .png for one picture.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@click.option("--tile", type=click.IntRange(1), help="Side of tiles, px; default: if need be.")
@click.option("--tta", is_flag=True, help="Mean over eight flips and turns; takes 8 times as long.")
@click.option("--explain", type=FOLDER, help="A folder for what the model looked at.")
def deblur(
    source: Path,
    checkpoint: Path,
    model: str | None,
    preset: str,
    out: Path,
    device: str | None,
    **options: Any,
) -> int:
    """Restore one picture or a folder of them; no sharp reference needed."""
    from blurbench.inference.deblur import load_checkpoint
    from blurbench.inference.folder import deblur_files

    loaded = load_checkpoint(checkpoint, device, model, preset)
    result = deblur_files(source, loaded, out, **options)
    for message in result.failed:
        click.echo(f"failed: {message}", err=True)
    click.echo("\n".join([f"{len(result.made)} restored into {out}", *result.notes]))
    return 1 if result.failed else 0


cli.add_command(captions)
cli.add_command(reproduce)


@cli.command("list")
@click.argument("what", type=click.Choice(["recipes", "models", "metrics", "protocols", "tables"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_command(what: str, as_json: bool) -> int:
    """What there is, by name."""
    from blurbench import listing

    listed = listing.rows(what)
    click.echo(json.dumps(listed, indent=2) if as_json else listing.as_text(what, listed))
    return 0


@cli.command()
def doctor() -> int:
    """What this machine has, what is missing, and what that would enable."""
    from blurbench.doctor import findings

    for name, state, note in findings():
        click.echo(f"{name:<16} {state:<28} {note}".rstrip())
    return 0
