"""The pages of the site of `make site`: what README leads to, where it lies, and the reference.

The pages link as on a code host, from one folder of the repository to another (README, kernels/,
recipes, published boards). Were docs/ alone the site, each such link would have to be rewritten.
So the site has the repository's layout, and README.md as its start: no link changes.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
# Of these docs/python.md promises that they keep their place; the page links to each.
PROMISED = re.compile(r"`(blurbench(?:_kernels)?(?:\.\w+)+)`")
REFERENCE = "docs/reference.md"
# A browser starts no worker from a folder: a box that finds nothing is not shown there.
NO_SEARCH = """<style>.from-folder :is(.md-search, [for="__search"]) { display: none }</style>
<script>
document.documentElement.classList.toggle("from-folder", location.protocol === "file:")
</script>
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """In place of what lies in docs/: the linked files, and the reference; the theme's stay."""
    theme = [each for each in files if each.src_dir != config.docs_dir]
    found = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for path in sorted(led_to(ROOT / "README.md"))
    ]
    return Files([*theme, *found, File.generated(config, REFERENCE, content=reference())])


def on_post_page(output: str, page: object, config: MkDocsConfig) -> str:  # noqa: ARG001
    """A finished page, without its box for searching where it is opened from a folder."""
    return output.replace("</head>", f"{NO_SEARCH}</head>", 1)


def led_to(start: Path) -> set[Path]:
    """A page and all files that its links, and those of the pages behind them, lead to."""
    found, waiting = {start}, [start]
    while waiting:
        new = set(linked(waiting.pop())) - found
        found |= new
        waiting += [path for path in new if path.suffix == ".md"]
    return found


def linked(page: Path) -> Iterator[Path]:
    """The files behind a page's links; a board's pictures lie beside it, in a folder NAME_files."""
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / link).resolve()
        if "://" not in link and path.is_file():  # what is not there, mkdocs names
            yield path
            pictures = path.with_name(f"{path.stem}_files")
            yield from (each for each in pictures.rglob("*") if each.is_file())


def reference() -> str:
    """A page in Markdown: each name that docs/python.md promises or uses, for mkdocstrings."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    promised = PROMISED.findall(text.partition("## What stays")[2])
    used = sorted(set(imports(text)) - set(promised))
    return "\n\n".join(
        [
            "# Reference",
            "## What stays",
            "These keep their place and meaning ([which](python.md#what-stays)).",
            *(f"::: {name}" for name in promised),
            "## What the page From Python uses",
            "These may move, as the [changelog](../CHANGELOG.md) tells.",
            *(f"::: {name}" for name in used),
        ]
    )


def imports(text: str) -> Iterator[str]:
    """The names of blurbench that a page's blocks of Python import."""
    for block in re.findall(r"```python\n(.+?)```", text, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("blurbench"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
