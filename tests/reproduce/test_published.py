"""The boards in leaderboard/published are what their results come to, to the byte."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = {".csv", ".html", ".webp"}


def published() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "published", ROOT / "leaderboard" / "published" / "build.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boards(folder: Path) -> dict[str, bytes]:
    files = [path for name in ("demo", "tables") for path in (folder / name).rglob("*")]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.suffix in WRITTEN
    }


@pytest.mark.slow
def test_boards_are_ranked_again_to_the_byte(tmp_path: Path) -> None:
    build = published()
    for name, patterns in (("demo", build.DEMO_FILES), ("tables", build.SCORES + build.SETTINGS)):
        build.replace(build.HERE / name, tmp_path / name, patterns)
    assert not boards(tmp_path)
    build.rank(tmp_path)
    again, there = boards(tmp_path), boards(build.HERE)
    assert again.keys() == there.keys()
    assert [name for name in there if again[name] != there[name]] == []
    shutil.rmtree(tmp_path / "tables" / "results" / "s3e-1")
    build.rank(tmp_path)
    assert b"measured" not in (tmp_path / "tables" / "s3e-1.csv").read_bytes().split(b"\n")[1]
