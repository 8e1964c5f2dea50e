"""What is imported is asked for in pyproject.toml, and not only there by somebody else's doing."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from empty_environment import required, wanted
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"blurbench", "blurbench_kernels"}
# What is used where the user has it, and a line says so where it is missing.
LENT = {"spacy", "stanza"}


def imported() -> set[str]:
    """The packages of others that blurbench and its kernels import, anywhere."""
    found = set()
    for folder in ("blurbench", "kernels"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found - OURS - sys.stdlib_module_names


def test_every_import_is_declared():
    lines = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    missing = {
        name
        for name in imported() - LENT
        if not {canonicalize_name(each) for each in providers.get(name, [name])} & declared
    }
    assert not missing


class Asking:
    """A package as importlib.metadata shows one, with nothing but requirements."""

    def __init__(self, *lines: str) -> None:
        self.requires = list(lines)


def test_only_what_this_machine_and_the_extras_ask_for_is_wanted():
    lines = ("numpy>1", 'colorama; sys_platform == "win32"', 'h5py; extra == "formats"')
    names = [each.name for each in wanted(Asking(*lines), frozenset())]
    assert names == ["numpy"]
    names = [each.name for each in wanted(Asking(*lines), frozenset({"formats"}))]
    assert names == ["numpy", "h5py"]


@pytest.mark.parametrize("line", ["no-such-package", "numpy>900"])
def test_what_is_not_here_is_no_empty_environment(line: str):
    with pytest.raises(SystemExit, match="is required"):
        required(Asking(line))
