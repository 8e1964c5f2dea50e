"""`blurbench export` and `export-model`: a data set, or a trained model, in another format."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER, PLACE, OneOf, many_workers, of_weights
from blurbench.engine import Workers
from blurbench.stores.open import open_store


@click.command()
@click.argument("data", type=PLACE)
@click.option("--to", "kind", required=True, help="webdataset, lmdb or basicsr.")
@click.option("--out", type=FOLDER, required=True)
@many_workers
def export(data: Path | str, kind: str, out: Path, workers: Workers) -> int:
    """Write a data set in another format, and read it back."""
    from blurbench.datasets.export import export as write

    click.echo(write(open_store(data), kind, out, workers=workers))
    return 0


@click.command(name="export-model")
@click.argument("checkpoint", type=FOLDER)
@of_weights
@click.option("--to", "kind", type=OneOf(["torch", "onnx", "authors"]), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def export_model(checkpoint: Path, model: str | None, preset: str, kind: str, out: Path) -> int:
    """Write a RUN's model for other programs: a torch.export program, ONNX, the authors' names."""
    from blurbench.inference.export_model import export_model as export
    from blurbench.runs.load import load_checkpoint

    click.echo(export(load_checkpoint(checkpoint, "cpu", model, preset), kind, out))
    return 0
