"""`blurbench demo`: all of it on bundled pictures."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.command()
@click.option("--out", type=FOLDER, default=Path("demo"), show_default=True)
def demo(out: Path) -> int:
    """Run all of it on bundled pictures, in minutes."""
    from blurbench.reproduce.demo import run_demo

    page = run_demo(out)
    click.echo(f"The leaderboard: {page}")
    return 0
