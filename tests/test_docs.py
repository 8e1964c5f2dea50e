"""The documentation: its links lead somewhere, every recipe has a page, its commands parse."""

import ast
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest

from blurbench.cli import cli
from blurbench.recipes.recipe import parse_recipe, recipe_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "datasets_manifests" / "README.md",
        ROOT / "kernels" / "README.md",
        *(ROOT / "leaderboard").rglob("README.md"),
    ]
)
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*"))
# The changelog also names what is gone.
OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
CHECKED = (click.Choice, click.IntRange, click.FloatRange)
TOP = ("blurbench", "kernels", "tests", "docs", "benchmarks", "leaderboard", "datasets_manifests")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> list[str]:
    """Command lines in blocks of code, with what they go on with, and in running text."""
    fenced = "\n".join(re.findall(r"^```\w*\n(.+?)^```", text, re.DOTALL | re.MULTILINE))
    indented = "\n".join(re.findall(r"^ {4}(.+)$", text, re.MULTILINE))
    joined = re.sub(r"\\\n", " ", f"{fenced}\n{indented}")
    blocks = re.findall(r"^(blurbench .+)$", joined, re.MULTILINE)
    inline = re.findall(r"`(blurbench [^`]+)`", " ".join(text.split()))
    return [line.split("  #")[0] for line in [*blocks, *inline]]


def parse(line: str) -> None:
    """Click knows commands, options, choices and numbers; what must be given is not looked at."""
    words = shlex.split(re.sub(r"[][()|]|\.\.\.", " ", line))[1:]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found, f"no command {words[0]}"
        command, words = found, words[1:]
    known = {option for each in command.params for option in each.opts} | {"-h", "--help"}
    used = {word.split("=")[0] for word in words if word.startswith("-")}
    assert used <= known, f"{used - known} in: {line}"
    for option in command.params:
        for name, value in pairwise(words):
            # A word in capitals stands for a value; of choices the first is looked at.
            if name in option.opts and isinstance(option.type, CHECKED) and not value.isupper():
                option.type.convert(value.split("=")[-1], option, context)


def test_there_are_pages_pictures_and_commands() -> None:
    assert len(PAGES) > 12
    assert len(PICTURES) > 20
    assert sum(len(commands(page.read_text())) for page in PAGES) > 40


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not heading or heading in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_commands_parse(page: Path) -> None:
    for line in commands(page.read_text(encoding="utf-8")):
        parse(line)


@pytest.mark.parametrize(
    "line",
    [
        "blurbench synthesise x",
        "blurbench train --modle unet",
        "blurbench kernels draw x",
        "blurbench export-model RUN --to [onix|torch]",
        "blurbench evaluate --workers 0",
    ],
)
def test_commands_that_do_not_exist_are_found_out(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        parse(line)


def test_every_recipe_is_on_a_page_of_data_sets() -> None:
    folder = ROOT / "docs"
    pages = [folder / "data-sets.md", folder / "existing-data-sets.md"]
    pages += (folder / "data-sets").glob("*.md")
    told = " ".join(page.read_text(encoding="utf-8") for page in pages)
    assert not [name for name in recipe_names() if f"`{name}`" not in told]


def test_pages_of_data_sets_are_in_the_index() -> None:
    index = (ROOT / "docs" / "data-sets.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "data-sets").glob("*.md"):
        assert f"(data-sets/{page.name})" in index


def test_pictures_are_small_and_shown() -> None:
    shown = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in PICTURES:
        assert f"pictures/{picture.name})" in shown, picture.name
        assert picture.stat().st_size < 150_000, picture.name
    assert sum(picture.stat().st_size for picture in PICTURES) < 2_500_000


def test_recipes_on_the_pages_are_read() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    documents = [
        tomllib.loads(block) for block in re.findall(r"```toml\n(.+?)```", text, re.DOTALL)
    ]
    recipes = [each for each in documents if "blur" in each]
    assert recipes
    for document in recipes:
        parse_recipe(document, "docs/recipes.md")


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_python_on_the_pages_compiles(page: Path) -> None:
    for block in re.findall(r"```python\n(.+?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        compile(block, names(page), "exec")


@pytest.mark.parametrize("page", OF_TODAY, ids=names)
def test_paths_on_the_pages_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # What stands alone on a line names a file that the reader is to write.
    said = re.findall(rf"(?<!^)`((?:{'|'.join(TOP)})/[\w./*-]+)`", text, re.MULTILINE)
    assert not [path for path in said if not any(ROOT.glob(path.rstrip("/")))]


@pytest.mark.parametrize("page", OF_TODAY, ids=names)
def test_what_the_pages_name_in_python_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:blurbench|blurbench_kernels)(?:\.\w+)+)`", text):
        if name != "blurbench.kernels":  # a group of entry points
            resolve_name(name)
    if page.name == "CONTRIBUTING.md":  # imports what is to be written: tests/test_contributing.py
        return
    for block in re.findall(r"```python\n(.+?)```", text, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("blurbench"):
                for alias in node.names:
                    resolve_name(f"{node.module}.{alias.name}")
