"""`blurbench board`: a leaderboard under git that anybody may add rows to."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.group()
def board() -> None:
    """A leaderboard under git: rows that others add, and what is known of each."""


@board.command("add")
@click.argument("result", type=FOLDER)
@click.option("--to", "folder", type=FOLDER, required=True, help="The board's folder.")
@click.option("--restored", type=FOLDER, help="Its restored pictures: a folder, or a .zip.")
@click.option("--restored-at", default="", help="Where others have these: an address, or a path.")
@click.option("--weights", type=FOLDER, help="What restored: a run, or a .safetensors.")
@click.option("--weights-at", default="", help="Where others have its file of weights.")
def add_row(
    result: Path,
    folder: Path,
    restored: Path | None,
    restored_at: str,
    weights: Path | None,
    weights_at: str,
) -> int:
    """Add the scores of RESULT as a row; no picture and no weights are copied.

    A path is relative to the row's folder. Without --restored-at or --weights-at the row names the
    SHA-256 alone.
    """
    from blurbench.ranking.submissions.add import Behind, add
    from blurbench.ranking.submissions.verify import rank

    behind = Behind(restored, restored_at, weights, weights_at)
    click.echo(add(result, folder, behind))
    click.echo(rank(folder))
    return 0


@board.command("verify")
@click.argument("folder", type=FOLDER, metavar="BOARD")
@click.argument("names", nargs=-1, metavar="[ROW]...")
@click.option("--data", type=FOLDER, multiple=True, required=True, help="A data set of its rows.")
@click.option("--file", "files", type=FOLDER, multiple=True, help="What rows name by SHA-256.")
@click.option("--fetch", is_flag=True, help="Fetch what rows name by an address.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
def verify_rows(
    folder: Path,
    names: tuple[str, ...],
    data: tuple[Path, ...],
    files: tuple[Path, ...],
    fetch: bool,
    device: str | None,
) -> int:
    """Compute rows again, mark each re-run, re-scored or self-reported, and rank the board.

    ROW is a part of a row's name; default: all. Exit code 1 where a row says other scores than
    come out.
    """
    from blurbench.ranking.submissions.verify import verify

    done = verify(folder, data, files=files, fetch=fetch, device=device, only=names)
    click.echo(done)
    return 1 if done.wrong else 0
