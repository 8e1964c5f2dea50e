"""`blurbench evaluate`: score restored pictures."""

from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import (
    FOLDER,
    PLACE,
    OneOf,
    many_workers,
    of_weights,
    parse_named,
    parse_tools,
)


@click.command()
@click.option("--data", type=PLACE, required=True, help="The data set: a folder, or a URL.")
@click.option("--out", type=FOLDER, required=True, help="The result folder.")
@click.option(
    "--checkpoint", "runs", type=FOLDER, multiple=True, help="A run folder or several, or NAME=RUN."
)
@click.argument("more", type=FOLDER, nargs=-1, metavar="")
@of_weights
@click.option("--restored", type=FOLDER, help="Anybody's restored pictures, paired by name.")
@click.option("--identity", is_flag=True, help="The blurred pictures themselves: the baseline.")
@click.option(
    "--classical",
    type=OneOf(["unsharp", "wiener"]),
    help="Without training: an unsharp mask, or a Wiener filter that is told the true kernel.",
)
@click.option("--name", help="What the leaderboard calls it.")
@click.option("--protocol", default="wang-rgb", show_default=True)
@click.option("--metrics", help="By commas.  [default: psnr,ssim]")
@click.option("--add", help="Metrics to add to the finished result in --out.")
@click.option("--split", default="test", show_default=True)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, help="Draws of a model's noise to average."
)
@click.option(
    "--using",
    multiple=True,
    metavar="TOOL=VALUE",
    help="A network that some --metrics need: segmenter, detector, features, embedding, faces.",
)
@click.option("--save-restored", is_flag=True, help="Keep what was restored, in --out.")
@click.option("--overwrite", is_flag=True, help="Score again what changed since --out was made.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@many_workers
def evaluate(
    data: Path | str,
    out: Path,
    runs: tuple[Path, ...],
    more: tuple[Path, ...],  # of --checkpoint A B C
    model: str | None,
    preset: str,
    restored: Path | None,
    identity: bool,
    classical: str | None,
    name: str | None,
    metrics: str | None,
    add: str | None,
    split: str,
    using: tuple[str, ...],
    device: str | None,
    **options: Any,
) -> int:
    """Score runs, restored pictures or the blurred ones against the sharp ones.

    --add computes more metrics for a result: of the pictures that it kept, or else of what
    --checkpoint, --restored, --classical or --identity restores again.
    """
    sources = (len(runs) > 0) + (restored is not None) + identity + (classical is not None)
    refuse_usage(sources, add=add, metrics=metrics, **options)
    if more and not runs:
        raise click.UsageError(f"{more[0]}: several runs go behind --checkpoint.")
    names, runs = zip(*map(parse_named, runs + more), strict=True) if runs else ((), ())
    if (name and len(runs) > 1) or (model and len(runs) != 1):
        raise click.UsageError("--name and --model go with one --checkpoint; NAME=RUN with many.")
    options["workers"].prepare("blurbench.scoring.spread")
    from blurbench.scoring import evaluate as evaluation
    from blurbench.scoring.add_metrics import add_metrics
    from blurbench.scoring.classical import CLASSICAL
    from blurbench.scoring.photographs import open_data
    from blurbench.scoring.restorers import FolderRestorer, Identity, Restorer, trained

    options |= {"using": parse_tools(using), "metrics": (add or metrics or "psnr,ssim").split(",")}
    evaluation.check_names(options["protocol"], options["metrics"])
    score = add_metrics if add else evaluation.evaluate
    pairs = open_data(data, split)
    if len(runs) > 1:
        failed = 0
        for done in evaluation.evaluate_runs(
            pairs, out, runs, device, names=names, score=score, **options
        ):
            click.echo(done)
            failed += done.failed
        return 1 if failed else 0
    restore: Restorer | None = None
    if runs:
        restore = trained(runs[0], name or names[0], device, model, preset)
    elif classical:
        restore = CLASSICAL[classical](name)
    elif sources:
        restore = FolderRestorer(restored, name) if restored else Identity(name or "identity")
    given = {"restore": restore, "name": restore.name} if restore else {"name": name}
    summary = score(pairs, out, **given, **options)
    click.echo(summary)
    return 1 if summary.failed else 0


def refuse_usage(
    sources: int,
    *,
    add: str | None,
    metrics: str | None,
    save_restored: bool,
    overwrite: bool,
    **_others: Any,
) -> None:
    """UsageError for options that do not go together, or say nothing."""
    for option, given in (("--add", add), ("--metrics", metrics)):
        if given is not None and not given.strip(" ,"):
            raise click.UsageError(f"{option}: names no metric; `blurbench list metrics` has them.")
    if sources > 1 or not (sources or add):
        raise click.UsageError("Give one of --checkpoint, --restored, --classical, --identity.")
    if add and metrics:
        raise click.UsageError("--add takes the place of --metrics.")
    if add and (save_restored or overwrite):
        raise click.UsageError("--save-restored and --overwrite go with --metrics, not with --add.")
