"""The size of the house, and one meaning for a name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("blurbench", "kernels", "tests", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 60  # lines
# A folder's list is taken in at a glance; 32 files on one floor were not. A file a command is 18.
MOST_FILES = 18


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


def test_folders_stay_small() -> None:
    files = defaultdict(list)
    for path in FILES:
        if path.name not in ("__init__.py", "conftest.py"):
            files[named(path.parent)].append(path.stem)
    assert not {folder: names for folder, names in files.items() if len(names) > MOST_FILES}


def is_type(value: ast.expr | None) -> bool:
    """Whether an assigned value reads like a type: `A | B`, `dict[str, A]`, `Callable[..., A]`."""
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.BitOr) and is_type_part(value.left)
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name | ast.Attribute)


def is_type_part(value: ast.expr) -> bool:
    return is_type(value) or isinstance(value, ast.Name | ast.Attribute)


def types_of(path: Path) -> Iterator[str]:
    """The public classes and type aliases of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Assign) and is_type(node.value):
            name = ast.unparse(node.targets[0])
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
            name = ast.unparse(node.target)
        else:
            continue
        if name[0].isupper() and not name.isupper():  # neither private nor a constant
            yield name


def shared_names(paths: list[Path]) -> dict[str, list[str]]:
    """Name -> the modules that each define a type of that name, where there are several."""
    places = defaultdict(list)
    for path in paths:
        for name in types_of(path):
            places[name].append(path.as_posix())
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_name_means_one_thing() -> None:
    """But in models/, where each network has its own Generator, as its paper has."""
    rooms = {path: named(path).split("/")[:2] for path in FILES}
    library = [path for path, room in rooms.items() if room[0] in ("blurbench", "kernels")]
    assert shared_names([path for path in library if rooms[path][1] != "models"]) == {}


@pytest.mark.parametrize(
    "code", ["class Row: ...", "Row = dict[str, int]", "Row = A | None", "Row: t.TypeAlias = int"]
)
def test_every_kind_of_type_is_seen(code: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class Row: ...\nclass _Own: ...\nKEPT = list[int]\n")
    (tmp_path / "b.py").write_text(f"{code}\nclass _Own: ...\nKEPT = list[int]\n")
    found = shared_names(sorted(tmp_path.iterdir()))
    assert [*found] == ["Row"]


@pytest.mark.parametrize("folder", ["kernels", "leaderboard", "datasets_manifests", "tests"])
def test_folders_that_must_not_be_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
