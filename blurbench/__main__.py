"""The command `blurbench`: exit codes and one-line errors for everything below.

What takes time to import is imported where it is used: `main` hears Ctrl-C and SIGTERM first.
"""

import errno
import io
import os
import signal
import sys

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def main() -> None:
    """Run the command line; README.md has the exit codes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_early)  # also where a script has it ignored, as `terminable`
    # Beside another busy process, OpenMP threads that spin while they wait double a training
    # step (2.2 s against 1.3 s on two cores). Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    find_home()
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # the last line is printed
    from blurbench.signals import STOPPED, end

    if code not in STOPPED and (sys.getprofile() or sys.gettrace()):
        sys.exit(code)  # a profiler writes down what it saw when we come back to it
    end(code)


def stop_early(number: int, _frame: object) -> None:
    """End as a command does that is stopped, while that is still imported."""
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    try:
        if "BLURBENCH_TOLD" not in os.environ:  # else another process says it for all
            os.write(2, f"blurbench: {word}; what was finished is kept\n".encode())
    finally:
        os._exit(128 + number)


def open_streams() -> None:
    """Have those that are closed, as by `>&-`, lead nowhere, for what we start, too.

    Another file would take their numbers, and get what libraries print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.fdopen(os.open(os.devnull, os.O_RDWR), mode)
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)


def find_home() -> None:
    """Name a home where the system knows none, as of a container's user without a name.

    Libraries that keep something there would make a folder called "~" in the working folder.
    """
    if not os.path.expanduser("~").startswith("~"):  # noqa: PTH111  # Path's raises
        return
    import stat
    import tempfile
    from contextlib import suppress
    from pathlib import Path

    home = Path(tempfile.gettempdir(), f"blurbench-home-{os.getuid()}")
    with suppress(OSError):
        home.mkdir(mode=0o700, exist_ok=True)
        found = home.lstat()
        # Another user's could hold anything.
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            os.environ["HOME"] = str(home)
            return
    os.environ["HOME"] = tempfile.mkdtemp(prefix="blurbench-home-")


def run(arguments: list[str]) -> int:
    """The exit code of one command line; what went wrong is on standard error, in one line."""
    from blurbench.cli import cli
    from blurbench.signals import terminable

    try:
        with terminable():
            code: int = cli.main(arguments, prog_name="blurbench", standalone_mode=False) or 0
            sys.stdout.flush()
        return code
    except BaseException as error:
        if isinstance(error, SystemExit) and completing():
            raise
        if unread():
            # Else Python would say so again as it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        return explain(unwrapped(error), arguments)


def completing() -> bool:
    """Whether a shell asks for the words behind Tab, which click answers and ends with an exit."""
    return "_BLURBENCH_COMPLETE" in os.environ


def unwrapped(error: BaseException) -> BaseException:
    """What click made an Abort of (Ctrl-C, SIGTERM), or what was kept from it."""
    import click

    from blurbench.cli import Mistaken

    return (isinstance(error, click.Abort | Mistaken) and error.__cause__) or error


def explain(error: BaseException, arguments: list[str]) -> int:
    """Tell what went wrong; gives the exit code."""
    import click

    from blurbench.errors import UserError, debugging
    from blurbench.signals import KEPT, Terminated

    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, KeyboardInterrupt | click.Abort):
        ended = isinstance(error, Terminated)
        told = "terminated" if ended else "interrupted"
        more = getattr(error, "__notes__", [])  # such as that the same command goes on
        return complain("; ".join([told, KEPT, *more]), 143 if ended else 130)
    if isinstance(error, UserError | OSError):
        if debugging():
            print_all(error)
        return complain(in_words(error), error.code if isinstance(error, UserError) else 2)
    return unforeseen(error, arguments)


def in_words(error: Exception) -> str:
    """What a UserError or the system says that went wrong, and where."""
    from blurbench.errors import one_line
    from blurbench.files import GO_ON, CannotWrite

    if not isinstance(error, OSError):
        return str(error)
    told = error.strerror or str(error)
    if isinstance(error, CannotWrite) or error.errno in FULL:
        return f"{error.filename or 'the disk'}: cannot write ({told}); {GO_ON}"
    return f"{error.filename}: {told}" if error.filename else one_line(error)


def unforeseen(error: BaseException, arguments: list[str]) -> int:
    """Tell a fault of ours, with its place and the file that has all of it."""
    from blurbench.errors import one_line, write_report

    told = one_line(error)
    path = write_report(error, arguments)
    if path:
        return complain(f"a fault of blurbench: {told}; all of it is in {path}, to report it", 70)
    print_all(error)  # there is no place for a file
    return complain(f"a fault of blurbench: {told}", 70)


def print_all(error: BaseException) -> None:
    """The whole traceback."""
    import traceback

    traceback.print_exception(error)


def unread() -> bool:
    """Whether nobody reads what we print any more, as behind `| head`."""
    import select

    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def complain(message: str, code: int) -> int:
    """Print one line on standard error; gives `code` back."""
    from blurbench.errors import hand_over

    line = "".join(each if each.isprintable() else escaped(each) for each in message)
    line = " ".join(line.split())
    if not hand_over(line):
        print(f"blurbench: {line}", file=sys.stderr)
    return code


def escaped(character: str) -> str:
    """A character that may move a cursor, as what a name in a file may hold; blanks stay."""
    return " " if character.isspace() else character.encode("unicode-escape").decode()


if __name__ == "__main__":
    main()
