"""--debug: on every command, and what it shows."""

import os
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from blurbench.__main__ import run
from blurbench.cli import cli
from blurbench.datasets import make
from blurbench.errors import DEBUG
from blurbench.files import read_jsonl


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_every_command_takes_it(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(cli, [*path, "--debug", "--help"])
    assert told.exit_code == 0
    assert told.output.count("--debug") == 1


@pytest.fixture
def undebugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable as it was, whatever a command sets."""
    monkeypatch.setenv(DEBUG, "0")


def faulty(*_arguments: object) -> None:
    raise ZeroDivisionError("a fault of ours")


ONE = ["synthesize", "demo", "--source", "builtin:photos", "--limit", "1"]


@pytest.mark.parametrize("where", ["before", "after", "nowhere"])
@pytest.mark.usefixtures("undebugged")
def test_a_fault_in_a_picture_keeps_its_place(where, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(make, "make_pair", faulty)
    out = ["--out", str(tmp_path / "out")]
    before, after = (["--debug"] if where == place else [] for place in ("before", "after"))
    assert run([*before, *ONE, *out, *after]) == 2
    (failure,) = read_jsonl(tmp_path / "out" / "failures.jsonl")
    assert "ZeroDivisionError: a fault of ours (datasets/make.py:" in failure["error"]
    error = capsys.readouterr().err
    assert ("in faulty" in error) == (where != "nowhere")
    assert os.environ[DEBUG] == ("0" if where == "nowhere" else "1")


@pytest.mark.usefixtures("undebugged")
def test_what_is_refused_is_told_whole_too(tmp_path, capsys) -> None:
    for words, shown in ((ONE, False), ([*ONE, "--debug"], True)):
        (tmp_path / "file").write_text("")
        assert run([*words, "--out", str(tmp_path / "file")]) == 2
        error = capsys.readouterr().err
        assert error.strip().endswith("file: is a file; give a folder as --out")
        assert ("Traceback" in error) == shown
