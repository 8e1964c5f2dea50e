"""docs/python.md is a program that runs, and what it promises to keep is there and described."""

import inspect
import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
KEPT = re.findall(r"`(blurbench[\w.]+)`", TEXT.split("## What stays")[1])


@pytest.mark.slow
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert "demo test wang-rgb: 2 models, 4 pictures" in capsys.readouterr().out
    assert (tmp_path / "board" / "leaderboard.html").is_file()
    assert {path.name for path in Path("results").iterdir()} == {"identity", "mine"}


@pytest.mark.parametrize("name", KEPT)
def test_what_stays_is_described(name):
    found = resolve_name(name)
    if not isinstance(found, dict):  # MODELS: its module describes it
        assert (inspect.getdoc(found) or "").strip()


def test_all_that_packages_offer_is_described():
    for module in ("datasets", "metrics", "captions", "images"):
        room = resolve_name(f"blurbench.{module}")
        for name in room.__all__:
            found = getattr(room, name)
            if inspect.isclass(found) or inspect.isfunction(found):
                assert (inspect.getdoc(found) or "").strip(), f"{module}.{name}"
