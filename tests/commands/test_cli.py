"""The command line from outside: light help, exit codes, one-line errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blurbench.__main__ import run
from blurbench.commands.options import parse_settings
from blurbench.errors import UserError

HEAVY = ("torch", "numba", "cv2", "pandas", "scipy", "matplotlib", "pyiqa", "transformers")


def imported_by(*arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "blurbench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "|" in line}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        *(("list", what) for what in ("recipes", "families", "metrics", "protocols", "tables")),
    ],
)
def test_light_commands_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments) & set(HEAVY)


BAD = {
    "unknown recipe": ("synthesize", "no-such-recipe", "--source", ".", "--out", "{tmp}/o"),
    "missing source": ("synthesize", "sev-blurdata", "--source", "{tmp}/none", "--out", "{tmp}/o"),
    "empty source": ("synthesize", "sev-blurdata", "--source", "{tmp}/empty", "--out", "{tmp}/o"),
    "bad recipe field": ("synthesize", "{tmp}/bad.toml", "--source", ".", "--out", "{tmp}/o"),
    "not a data set": ("verify", "{tmp}/empty"),
    "no results": ("leaderboard", "{tmp}/empty", "--out", "{tmp}/o"),
    "nothing to evaluate": ("evaluate", "--data", "{tmp}/empty", "--identity", "--out", "{tmp}/o"),
    "no run": ("deblur", "{tmp}/empty/a.png", "--checkpoint", "{tmp}", "--out", "{tmp}/o"),
    "bad setting": ("train", "--model", "unet", "--data", "x", "--out", "y", "--set", "lr"),
    "unknown model": ("train", "--model", "nosuch", "--data", "{tmp}/empty", "--out", "{tmp}/o"),
    "seed too large": ("train", "--model", "unet", "--data", "x", "--out", "y", "--seed", "9" * 20),
    "no data": ("train", "--model", "unet", "--out", "y"),
    "runs of no checkpoint": ("evaluate", "--data", "x", "--out", "y", "--identity", "run"),
    "a name for two": (
        "evaluate",
        "--data",
        "x",
        "--out",
        "y",
        "--checkpoint",
        "a",
        "b",
        "--name",
        "c",
    ),
    "weights of nobody": ("deblur", "x", "--checkpoint", "{tmp}/bad.toml", "--out", "{tmp}/o"),
    "two restorers": ("evaluate", "--data", "x", "--out", "y", "--identity", "--restored", "z"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_exit_code_2_and_no_traceback(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    recipe = Path(__file__).parents[2] / "datasets_manifests" / "demo.toml"
    (tmp_path / "bad.toml").write_text("typo = 1\n" + recipe.read_text(encoding="utf-8"))
    assert run([word.format(tmp=tmp_path) for word in BAD[case]]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    lines = error.strip().splitlines()
    # click's own errors come with the usage of the command above them.
    assert len(lines) == 1 or (lines[0].startswith("Usage:") and lines[-1].startswith("Error:"))


def test_a_bad_recipe_field_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Path(__file__).parents[2] / "datasets_manifests" / "demo.toml"
    (tmp_path / "bad.toml").write_text("typo = 1\n" + recipe.read_text(encoding="utf-8"))
    run(["synthesize", str(tmp_path / "bad.toml"), "--source", ".", "--out", str(tmp_path / "o")])
    error = capsys.readouterr().err
    assert "bad.toml" in error
    assert "typo" in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "export-model run --to onx --out a.onnx",
            "'onx' is not one of torch, onnx, authors (did you mean onnx?)",
        ),
        ("synthesize demo --source in --format gif", "'gif' is not one of png, webp"),
    ],
)
def test_a_choice_that_is_nearly_right_is_answered_with_it(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words.split()) == 2
    assert capsys.readouterr().err.strip().endswith(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("deblur a.png --preset tiny", "--preset is that of a --model; give both"),
        ("deblur a.png --checkpoint run --preset paper", "--preset is that of a --model"),
        ("evaluate --data d --out o --identity --preset tiny", "--preset is that of a --model"),
        ("evaluate --data d --out o --checkpoint a b --preset tiny", "--preset is that of"),
        ("evaluate --data d --out o --identity --model unet", "--model go with one --checkpoint"),
    ],
)
def test_what_would_be_passed_over_is_refused(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words.split()) == 2
    assert told in capsys.readouterr().err


def test_settings_are_json_or_text() -> None:
    assert parse_settings(("lr=1e-3", "ema=null", "flip=false", "weights=random")) == {
        "lr": 1e-3,
        "ema": None,
        "flip": False,
        "weights": "random",
    }
    with pytest.raises(UserError, match="KEY=VALUE"):
        parse_settings(("lr",))


def test_a_refused_write_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    arguments = ["synthesize", "demo", "--source", "builtin:photos", "--limit", "1"]
    assert run([*arguments, "--out", str(blocked / "inside")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_module_and_script_agree() -> None:
    script = Path(sys.executable).with_name("blurbench")
    if not script.exists():
        pytest.skip("not installed as a script")
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    outputs = [
        subprocess.run([*command, "--version"], capture_output=True, check=True, env=environment)
        for command in ([str(script)], [sys.executable, "-m", "blurbench"])
    ]
    assert outputs[0].stdout == outputs[1].stdout


def test_help_cuts_no_line_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    told = capsys.readouterr().out.split("Commands:")[1]
    assert "..." not in told
    assert " ".join(told.split()).endswith("what that would enable.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_names(shell: str) -> None:
    """As docs/command-line.md has it: a script for the shell, which asks us for the words."""
    program = "from blurbench.__main__ import main; main()"

    def asked(instruction: str, **more: str) -> str:
        environment = {**os.environ, "_BLURBENCH_COMPLETE": f"{shell}_{instruction}", **more}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
        )
        # A shell calls at every Tab: an error line or a report of a fault would be in the way.
        assert "fault" not in done.stderr
        assert done.returncode in (0, 1)  # click's own: 1 where it gave the script or words
        return done.stdout

    assert "_BLURBENCH_COMPLETE" in asked("source")
    # Fish hands over the word that is begun, the others its number.
    begun = "stu" if shell == "fish" else "2"
    found = asked("complete", COMP_WORDS="blurbench list stu", COMP_CWORD=begun)
    assert "studies" in found
