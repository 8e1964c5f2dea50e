"""What a user can be told in one line, and all of it for whoever asks with --debug."""

import os
import platform
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from blurbench import __version__

# Where faults are told by file and line: here, and in packages that add to ours (plugins.py).
PLACES: set[Path] = {Path(__file__).parent}
DEBUG = "BLURBENCH_DEBUG"  # environment variable: worker processes inherit it
# Environment variable: the file in which the first of several processes to fail says why.
TOLD = "BLURBENCH_TOLD"


class UserError(Exception):
    """Bad usage or bad input: one line that names the file or field and the mend (exit code 2)."""

    code = 2


class FaultElsewhere(UserError):
    """What nobody foresaw, in a process that this one started: it has written the report."""

    code = 70


def one_line(error: BaseException, where: str = "") -> str:
    """What went wrong, in one line that begins with `where`.

    What nobody foresaw ends with the file and line of ours, or of a package that adds to ours, that
    it came from, such as "ValueError: negative sigma (datasets/pair.py:88)"; when `debugging`, all
    of it goes to standard error.
    """
    text = " ".join(str(error).split())
    if not isinstance(error, UserError):
        _show(error)
        text = f"{type(error).__name__}: {text}".removesuffix(": ") + _came_from(error)
    # Most messages name their file themselves.
    return text if text.startswith(where) else f"{where}: {text}"


def reason(error: Exception) -> str:
    """What another library says is wrong, for the brackets of a line of ours: its own first line.

    torch goes on with pages of its code. All of it when `debugging`, as of `one_line`.
    """
    _show(error)
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def hand_over(line: str) -> bool:
    """Leave it to whoever started this process, beside others, to say the line; False if nobody.

    The first one's is kept: the others say the same, or that it is gone.
    """
    if not (path := os.environ.get(TOLD)):
        return False
    try:
        with Path(path).open("x", encoding="utf-8", errors="backslashreplace") as said:
            said.write(line)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def debugging() -> bool:
    """Whether whole tracebacks are wanted: --debug, or BLURBENCH_DEBUG=1."""
    return os.environ.get(DEBUG, "0") not in ("", "0")


def _show(error: BaseException) -> None:
    if debugging():
        traceback.print_exception(error, file=sys.stderr)


def _came_from(error: BaseException) -> str:
    """The innermost line in one of PLACES that the error passed; empty where it passed none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        for place in PLACES:
            if file.is_relative_to(place):
                name = file.name if file == place else file.relative_to(place).as_posix()
                return f" ({name}:{frame.lineno})"
    return ""


# What nobody foresaw, as a file that can be sent to whoever may mend it.

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "pillow", "pydantic", "distributed")


def write_report(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Write the command line, versions and traceback; None where there is no place for a file.

    In the working folder, where it is found, also after a job on a machine whose temporary folder
    goes with it; else in the temporary folder.
    """
    name = f"blurbench-fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = report(error, arguments)
    for folder in (".", tempfile.gettempdir()):
        try:
            path = Path(folder).resolve() / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None


def report(error: BaseException, arguments: Sequence[str]) -> str:
    """All of it; passwords in URLs are left out."""
    lines = [
        f"command   blurbench {shlex.join(arguments)}",
        f"blurbench {__version__}",
        f"python    {platform.python_version()} on {platform.platform()}",
        *(f"{package} {_version(package)}" for package in PACKAGES),
        "",
        "".join(traceback.format_exception(error)),
    ]
    return re.sub(r"://([^/@:\s]*):[^/@\s]*@", r"://\1:***@", "\n".join(lines))


def _version(package: str) -> str:
    # Not by importing it, which may be what failed.
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
