"""The boards in leaderboard/published are what their results come to, to the byte."""

from pathlib import Path
from types import ModuleType

import pytest
from by_path import module_at

WRITTEN = {".csv", ".html", ".webp"}
PICTURES = {".png", ".jpg", ".webp"}


def published() -> ModuleType:
    return module_at("leaderboard/published/build.py")


def boards(folder: Path) -> dict[str, bytes]:
    files = [path for name in ("demo", "matrix", "boards") for path in (folder / name).rglob("*")]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.suffix in WRITTEN
    }


@pytest.mark.slow
def test_boards_are_ranked_again_to_the_byte(tmp_path: Path) -> None:
    build = published()
    parts = {"demo": build.DEMO_FILES, "matrix": build.MATRIX_FILES, "boards": build.BOARD_FILES}
    for name, patterns in parts.items():
        build.replace(build.HERE / name, tmp_path / name, patterns)
    made = {name for name in boards(tmp_path) if not name.endswith("pictures.csv")}
    assert not made
    build.rank(tmp_path)
    again, there = boards(tmp_path), boards(build.HERE)
    assert again.keys() == there.keys()
    assert [name for name in there if again[name] != there[name]] == []


def test_pictures_that_are_scored_and_not_shown_are_not_there() -> None:
    here = published().HERE
    scored = [*here.glob("boards/*/results/**/*"), *here.glob("matrix/**/*")]
    assert [path.name for path in scored if path.suffix in PICTURES] == []
