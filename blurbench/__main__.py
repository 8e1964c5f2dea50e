"""The command `blurbench`: exit codes and one-line errors for everything below."""

import os
import sys
import traceback

import click

from blurbench.cli import cli
from blurbench.errors import UserError, debugging


def main() -> None:
    """Run the command line; 0 done, 1 some items failed, 2 bad input, 130 interrupted."""
    # Beside another busy process, OpenMP threads that spin while they wait double a training
    # step (2.2 s against 1.3 s on two cores). Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of one command line; what went wrong is on standard error, in one line."""
    try:
        return cli.main(arguments, prog_name="blurbench", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return 2
    except (UserError, OSError) as error:
        if debugging():
            traceback.print_exception(error)
        return complain(in_words(error), 2)
    except (KeyboardInterrupt, click.Abort):
        return complain("interrupted; what was finished is kept", 130)


def in_words(error: UserError | OSError) -> str:
    """What went wrong, and where."""
    if isinstance(error, UserError):
        return str(error)
    return f"{error.filename or 'system'}: {error.strerror or error}"


def complain(message: str, code: int) -> int:
    """Print one line on standard error; gives `code` back."""
    print("blurbench: " + " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
