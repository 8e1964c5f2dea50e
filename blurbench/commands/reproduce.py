"""`blurbench reproduce`: the papers' tables made again, studies of one question, open boards."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import click

from blurbench.commands.options import FOLDER, MINUTES, OneOf, many_workers, same_command
from blurbench.engine import Workers
from blurbench.reproduce.boards.open_board import PREFIX as BOARD
from blurbench.reproduce.studies.study import PREFIX


@click.command()
@click.argument("table", required=False)
@click.option("--scale", type=OneOf(["demo", "small", "paper"]), default="demo", show_default=True)
@click.option("--data-root", type=FOLDER, help="Your data, a folder a recipe; not for demo.")
@click.option("--out", type=FOLDER, help="Where data, runs, results and the table go.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU, but for --scale demo.")
@click.option(
    "--seeds", type=click.IntRange(1, 20), help="Trainings of each; default 3, demo and paper 1."
)
@click.option("--minutes", type=MINUTES, help="Upper bound; small is cut to fit.")
@click.option("--plan", is_flag=True, help="Tell runs, minutes and disk; write nothing.")
@many_workers
def reproduce(
    table: str | None,
    scale: Literal["demo", "small", "paper"],
    data_root: Path | None,
    out: Path | None,
    device: str | None,
    seeds: int | None,
    minutes: float | None,
    plan: bool,
    workers: Workers,
) -> int:
    """Make a paper's TABLE again, run a study, or make the rows of an open board.

    Printed and measured side by side. Without a TABLE: what there is. A second call with the same
    --out goes on; several at a time share the work.
    """
    if table is None:
        from blurbench.commands.list import as_text, boards, studies
        from blurbench.reproduce.suites import rows

        found = {"suites": rows(), "studies": studies()[0], "boards": boards()[0]}
        click.echo("\n\n".join(as_text(what, each) for what, each in found.items()))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    if table.startswith(PREFIX):
        if scale != "demo":
            raise click.UsageError("--scale is of tables; a study has one of its own.")
        return study(table, out, data_root, device, seeds, minutes, plan, workers)
    if table.startswith(BOARD):
        if scale != "demo" or seeds or device or not workers.alone:
            raise click.UsageError("A board takes --data-root, --out, --minutes and --plan alone.")
        return open_board(table, out, data_root, minutes, plan)
    if scale == "paper" and data_root is None:
        raise click.UsageError("--scale paper needs --data-root.")
    if scale == "demo" and data_root is not None:
        raise click.UsageError("--data-root goes with --scale small or paper.")
    from blurbench.reproduce.reproduce import plan_of
    from blurbench.reproduce.reproduce import reproduce as run
    from blurbench.reproduce.scales import SEEDS, Scale

    wanted = Scale(scale, seeds or (SEEDS if scale == "small" else 1))
    if plan:
        click.echo(plan_of(table, out, wanted, data_root, device, minutes, click.echo))
        return 0
    with stop_told():
        done = run(
            table,
            out,
            scale=wanted,
            data_root=data_root,
            device=device,
            minutes=minutes,
            tell=click.echo,
            # Whose time is over when ours is.
            beside=with_others(out, workers, minutes=None),
        )
    click.echo(done)
    return 1 if done.failed else 0


@contextmanager
def stop_told() -> Iterator[None]:
    """Have the line of a stop say that nothing more is needed to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note("the same command goes on")
        raise


def with_others(out: Path, workers: Workers, **changed: None) -> AbstractContextManager[None]:
    """The others that --workers and --scheduler ask for, inside: this command, some `changed`."""
    from blurbench.reproduce.crew import crew

    words = same_command(click.get_current_context(), workers=1, scheduler=None, **changed)
    return crew(words, workers, out, click.echo)


def study(
    name: str,
    out: Path,
    data_root: Path | None,
    device: str | None,
    seeds: int | None,
    minutes: float | None,
    plan: bool,
    workers: Workers,
) -> int:
    """Run what is missing of a study, or tell what that would take."""
    from blurbench.reproduce.studies.registry import find_study

    found = find_study(name)  # before torch is loaded
    from blurbench.reproduce.studies.perform import begin
    from blurbench.reproduce.studies.plan import plan_study

    course = begin(found, out, data_root, device=device, seeds=seeds, tell=click.echo)
    if plan:
        click.echo(plan_study(course))
        return 0
    with stop_told(), with_others(out, workers):
        done = course.perform(minutes)
    click.echo(done)
    return 1 if done.failed else 0


def open_board(
    name: str, out: Path, data_root: Path | None, minutes: float | None, plan: bool
) -> int:
    """Make the rows that are missing of an open board, or tell what they would take."""
    from blurbench.reproduce.boards.suites import find_board

    found = find_board(name)
    from blurbench.reproduce.boards.perform import Poster

    poster = Poster(found, out, data_root, tell=click.echo)
    if plan:
        click.echo(poster.plan())
        return 0
    done = poster.perform(minutes)
    click.echo(done)
    return 1 if done.failed else 0
