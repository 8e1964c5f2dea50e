"""What nobody foresaw, as a file that can be sent to whoever may mend it."""

import os
import platform
import re
import shlex
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from blurbench import __version__

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
