"""`blurbench export-model`: a trained model as a file for other programs."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER, of_weights


@click.command(name="export-model")
@click.argument("checkpoint", type=FOLDER)
@of_weights
@click.option("--to", "kind", type=click.Choice(["torch", "onnx", "authors"]), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def export_model(checkpoint: Path, model: str | None, preset: str, kind: str, out: Path) -> int:
    """Write a RUN's model for other programs: a torch.export program, ONNX, the authors' names."""
    from blurbench.inference.export_model import export_model as export
    from blurbench.runs.load import load_checkpoint

    click.echo(export(load_checkpoint(checkpoint, "cpu", model, preset), kind, out))
    return 0
