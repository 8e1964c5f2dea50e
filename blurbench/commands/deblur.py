"""`blurbench deblur`: restore pictures that have no sharp reference."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import FOLDER, many_workers, of_weights


@click.command()
@click.argument("source", type=FOLDER)
@click.option(
    "--checkpoint",
    type=FOLDER,
    help="A run folder, a file of weights, or a name: scene and face ship; default: scene.",
)
@of_weights
@click.option(
    "--out", type=FOLDER, help="A folder, or a .png for one picture; default: beside it, new."
)
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@click.option("--tile", type=click.IntRange(1), help="Side of tiles, px; default: if need be.")
@click.option("--tta", is_flag=True, help="Mean over eight flips and turns; takes 8 times as long.")
@click.option("--explain", type=FOLDER, help="A folder for what the model looked at.")
@many_workers
def deblur(
    source: Path,
    checkpoint: Path | None,
    model: str | None,
    preset: str,
    out: Path | None,
    device: str | None,
    **options: Any,
) -> int:
    """Restore one picture or a folder of them; no sharp reference needed."""
    options["workers"].prepare("blurbench.inference.restoring")
    from blurbench.inference.files import beside, deblur_files, pictures_of
    from blurbench.runs.devices import bf16_unit
    from blurbench.runs.load import load_checkpoint
    from blurbench.weights.shipped import is_shipped, told

    pictures_of(source)  # before the seconds that a model takes
    checkpoint = checkpoint or Path("scene")
    loaded = load_checkpoint(checkpoint, device, model, preset)
    # Weights of ours learnt in bfloat16; of others every level is to be as `evaluate` has it.
    unit = bf16_unit(loaded.device) if is_shipped(checkpoint) else None
    if unit:
        loaded = replace(loaded, bf16=True)
    out = out or beside(source, loaded)
    if line := told(checkpoint):
        click.echo(line + (f". In bfloat16 ({unit})" if unit else ""), err=True)
    result = deblur_files(source, loaded, out, **options)
    for message in result.failed:
        click.echo(f"failed: {message}", err=True)
    made = f"{len(result.made)} restored into {out}" if result.made else "0 restored"
    click.echo("\n".join([made, *result.notes]))
    return 1 if result.failed else 0
