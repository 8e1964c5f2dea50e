"""`blurbench evaluate`: score restored pictures."""

from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import FOLDER, PLACE, many_workers, of_weights, parse_tools


@click.command()
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
    name: str | None,
    metrics: str,
    split: str,
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
    from blurbench.scoring import evaluate as evaluation
    from blurbench.scoring.photographs import open_data
    from blurbench.scoring.restorers import FolderRestorer, Identity, Restorer, trained

    options |= {"metrics": tuple(metrics.split(",")), "using": parse_tools(using)}
    evaluation.check_names(options["protocol"], options["metrics"])
    pairs = open_data(data, split)
    if len(runs) > 1:
        failed = 0
        for done in evaluation.evaluate_runs(pairs, out, runs, device, **options):
            click.echo(done)
            failed += done.failed
        return 1 if failed else 0
    restore: Restorer
    if runs:
        restore = trained(runs[0], name, device, model, preset)
    else:
        restore = FolderRestorer(restored, name) if restored else Identity(name or "identity")
    summary = evaluation.evaluate(pairs, out, restore=restore, name=restore.name, **options)
    click.echo(summary)
    return 1 if summary.failed else 0
