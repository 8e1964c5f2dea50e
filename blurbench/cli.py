"""The command line: a group of commands, a file each in commands/. Imports wait until then."""

import os
from typing import Any

import click

from blurbench import __version__
from blurbench.commands.board import board
from blurbench.commands.captions import captions
from blurbench.commands.deblur import deblur
from blurbench.commands.demo import demo
from blurbench.commands.doctor import doctor
from blurbench.commands.evaluate import evaluate
from blurbench.commands.export import export, export_model
from blurbench.commands.kernels import kernels
from blurbench.commands.leaderboard import leaderboard
from blurbench.commands.list import list_command
from blurbench.commands.matrix import matrix
from blurbench.commands.reproduce import reproduce
from blurbench.commands.runs import runs
from blurbench.commands.synthesize import synthesize
from blurbench.commands.train import train
from blurbench.commands.verify import verify
from blurbench.commands.weights import weights
from blurbench.errors import DEBUG

# In the order in which they are used.
COMMANDS = (
    demo,
    synthesize,
    verify,
    export,
    kernels,
    train,
    runs,
    evaluate,
    leaderboard,
    matrix,
    board,
    deblur,
    export_model,
    captions,
    reproduce,
    weights,
    list_command,
    doctor,
)


class Mistaken(Exception):
    """Holds an error that click would take for one of its own."""


class Pipeline(click.Group):
    """Lists its commands in the order of COMMANDS."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Mistaken for what click would call an end by the user, or no fault."""
        try:
            return super().invoke(ctx)
        except (EOFError, BrokenPipeError) as error:
            raise Mistaken from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The first sentence of each command, whole: click cuts it to what fits in a line."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(200)) for name, each in self.commands.items()]
            )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The order in which they were added."""
        return list(self.commands)


@click.group(cls=Pipeline, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blurbench")
def cli() -> None:
    """Make severe-blur data sets, train deblurring models on them, rank the results."""


def add_debug(command: click.Command) -> None:
    """Give --debug to a command and to all below it, so that it may stand anywhere on the line."""
    what = "Show where an error came from, whole (as BLURBENCH_DEBUG=1 does)."
    option = click.Option(["--debug"], is_flag=True, expose_value=False, callback=_debug, help=what)
    command.params.append(option)
    for below in getattr(command, "commands", {}).values():
        add_debug(below)


def _debug(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        os.environ[DEBUG] = "1"  # worker processes inherit it


for command in COMMANDS:
    cli.add_command(command)
add_debug(cli)
