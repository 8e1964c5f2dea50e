"""Captions small enough to score in a moment, and programs in Java's place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from blurbench.captions.java import Java, Missing, find_java


@pytest.fixture(scope="session")
def java() -> Java:
    try:
        return find_java()
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blurbench.captions.java._program", lambda: None)


@pytest.fixture
def fake_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a shell script stand in for Java: what it does when asked to run a class."""
    program = tmp_path / "java"
    monkeypatch.setenv("BLURBENCH_JAVA", str(program))

    def write(body: str) -> None:
        version = '[ "$1" = -version ] && { echo \'openjdk version "17.0"\' >&2; exit; }'
        program.write_text(f"#!/bin/sh\n{version}\n{body}\n")
        program.chmod(0o755)

    return write
