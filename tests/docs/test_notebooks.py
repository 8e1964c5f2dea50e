"""The notebooks of docs/ run from top to bottom, and are kept as they should be.

They are read as the JSON that they are, and their cells run by exec in one process, as a kernel
would: Jupyter and nbconvert would be forty packages more to install, for two files without magics.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
# No file stands behind a kernel's __main__, so -c: worker processes would run a file once more.
KERNEL = """
import json, pathlib, sys
for cell in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"))
"""
# What the last board of each must show: a network that learnt, and one's own metric.
SAID = {
    "own_parts": ("ghosts test wang-rgb: 2 models, 3 pictures", "sharpen: PSNR", "Contrast 0."),
    "own_training_loop": ("panned test wang-rgb: 2 models, 6 pictures", "mine: PSNR"),
}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def code(path: Path) -> list[str]:
    return ["".join(each["source"]) for each in read(path)["cells"] if each["cell_type"] == "code"]


def test_both_are_there():
    assert {path.stem for path in NOTEBOOKS} == set(SAID)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped(path):
    book = read(path)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)  # the first with ids of cells
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", each) for each in ids)
    for cell in book["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
        assert set(cell) == wanted
        assert cell["metadata"] == {}
    assert not re.search(r"/(home|root|tmp|work|Users|mnt)/", path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "kernels")))
    surroundings = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, str(path)],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert not [text for text in SAID[path.stem] if text not in done.stdout], done.stdout
    blurred, restored = map(float, re.findall(r"^\w+: PSNR ([\d.]+) dB", done.stdout, re.MULTILINE))
    assert restored > blurred + 0.1  # 0.6 and 0.3 dB when they were written
    (board,) = tmp_path.glob("*/board/leaderboard.html")
    assert board.stat().st_size > 10_000


def test_own_parts_are_those_of_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = "\n".join(code(ROOT / "docs" / "notebooks" / "own_parts.ipynb"))
    parts = re.findall(
        r"^`(?:blurbench/(?:blurs|models|metrics)|my_package)/(\w+\.py)`\n\n```python\n(.+?)^```",
        text,
        re.DOTALL | re.MULTILINE,
    )
    assert {name for name, _ in parts} == {"ghost.py", "sharpen.py", "contrast.py", "__init__.py"}
    for name, written in parts:
        assert written in shown, name
