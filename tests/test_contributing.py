"""CONTRIBUTING.md followed literally: its map is the house, and what it says to add works."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
INSIDE, OUTSIDE = TEXT.split("## From another package")
# Of a checkout, what the commands and tests of the text reach.
CHECKOUT = (
    *("blurbench", "kernels", "datasets_manifests", "leaderboard", "pyproject.toml"),
    *("tests/conftest.py", "tests/helpers", "tests/golden", "tests/test_testing.py"),
)


class Block(NamedTuple):
    """A block of code, and the file that the line before it names."""

    file: str
    language: str
    code: str


def blocks(text: str) -> Iterator[Block]:
    file = ""
    for named, language, code in re.findall(
        r"^`(\S+)`$|^```(\w+)\n(.+?)^```$", text, re.DOTALL | re.MULTILINE
    ):
        file = named or file
        if language:
            yield Block(file, language, code)


def write(folder: Path, block: Block) -> None:
    """Write a new file, or put the + lines of a diff behind the line before them."""
    path = folder / block.file
    if block.language != "diff":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, encoding="utf-8")
        return
    first, *added = block.code.splitlines()
    before = f"{first[1:]}\n"
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{block.file}: {before}"
    assert all(line.startswith("+") for line in added)
    new = "".join(f"{line[1:]}\n" for line in added)
    path.write_text(text.replace(before, before + new), encoding="utf-8")


def run(folder: Path, command: str, *paths: Path) -> str:
    """Run lines of a shell where `blurbench` and `python` mean this environment's."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("blurbench", "-m blurbench"), ("python", "")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def rooms_on_the_map() -> set[str]:
    table = TEXT.split("| room |")[1].split("\n\n")[0]
    return set(re.findall(r"`(blurbench/[\w./]+)`", table))


def test_the_map_shows_every_room():
    found = {
        f"blurbench/{path.name}{'/' * path.is_dir()}"
        for path in (ROOT / "blurbench").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms_on_the_map() == found - {"blurbench/__init__.py"}


def test_the_map_is_in_the_order_of_the_import_contract():
    table = TEXT.split("| room |")[1].split("\n\n")[0]
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contract["contracts"][0]["layers"]
    floor = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    shown = [re.findall(r"`(blurbench/[\w./]+)`", row) for row in table.splitlines()]
    names = [[path.rstrip("/").removesuffix(".py").replace("/", ".") for path in r] for r in shown]
    floors = [min(floor[name] for name in row) for row in names if row]
    assert floors[1:] == sorted(floors[1:])  # the first row has cli.py and __main__.py
    assert {name for row in names for name in row} == set(floor)


def test_lines_to_add_have_their_place():
    for block in blocks(INSIDE):
        if block.language == "diff":
            first = block.code.splitlines()[0]
            assert f"{first[1:]}\n" in (ROOT / block.file).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_family_a_model_and_a_metric_of_ours(tmp_path):
    for name in CHECKOUT:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    paths = (tmp_path, tmp_path / "kernels")
    files = []
    for block in blocks(INSIDE):
        if block.language == "sh":
            run(tmp_path, block.code, *paths)
            continue
        write(tmp_path, block)
        files += [block.file] * block.file.endswith(".py")
    tests = " ".join(file for file in files if file.startswith("tests/"))
    run(tmp_path, f"python -m pytest -q {tests}")
    contract = "tests/test_testing.py -k 'contract and (ghost or sharpen or contrast)'"
    assert "3 passed" in run(tmp_path, f"python -m pytest -q {contract}")
    run(tmp_path, "python -m pytest -q tests/golden -k sharpen")
    run(tmp_path, f"python -m ruff check {' '.join(files)}", *paths)
    run(tmp_path, f"python -m ruff format --check {' '.join(files)}", *paths)
    grown, old = (
        json.loads((folder / "tests" / "golden" / "weights.json").read_text())
        for folder in (tmp_path, ROOT)
    )
    assert {"sharpen": grown["sharpen"]} | old == grown


@pytest.mark.slow
def test_the_same_from_another_package(tmp_path):
    for block in blocks(INSIDE):
        if block.language == "python" and block.file.startswith("blurbench/"):
            write(tmp_path, block._replace(file=f"my_package/{Path(block.file).name}"))
        elif block.language == "toml":
            write(tmp_path, block)
    for block in blocks(OUTSIDE):
        if block.file != "pyproject.toml":
            write(tmp_path, block)
            continue
        groups = tomllib.loads(block.code)["project"]["entry-points"]
        lines = [
            line
            for group, points in groups.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
        ]
        info = tmp_path / "my_package-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("\n".join(lines))
    paths = (tmp_path, ROOT, ROOT / "kernels")
    for block in blocks(INSIDE):
        if block.language == "sh" and "golden" not in block.code:
            run(tmp_path, block.code, *paths)
    run(tmp_path, "python -m pytest -q tests", *paths)
    assert "my-package 1.2" in run(tmp_path, "blurbench list models --json", *paths)
