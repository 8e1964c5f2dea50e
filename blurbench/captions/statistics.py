"""What a caption file's trees look like: shares, vocabularies, coverage; trees drawn as text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.captions import vocabulary
from blurbench.captions.files import Caption, read_captions
from blurbench.captions.parsers import open_parser
from blurbench.captions.trees import NODES, Tree
from blurbench.captions.vocabulary import NULL, Vocabulary
from blurbench.errors import UserError
from blurbench.tables import as_table

BLANK = "-"  # how a null is printed


@dataclass(frozen=True)
class Parsed:
    """A caption file, parsed."""

    captions: list[Caption]
    trees: list[Tree]
    vocabulary: Vocabulary


def parse_file(path: Path, parser: str, entities: int, relations: int) -> Parsed:
    """The trees of a caption file, and the vocabulary of its training split."""
    captions = read_captions(path)
    chosen = open_parser(parser)
    trees = chosen.parse(captions)
    words = vocabulary.build(training_trees(captions, trees), entities, relations, chosen.name)
    return Parsed(captions, trees, words)


def write_vocabulary(parsed: Parsed, path: Path) -> None:
    """The vocabulary as a file; UserError where there was no training split to build it from."""
    if not parsed.vocabulary.entities:
        raise UserError(f"{path}: no vocabulary, for no caption is of the split train")
    parsed.vocabulary.write(path)


def printed(parsed: Parsed, form: str) -> str:
    """Trees as lines or drawing, then the statistics; or both as json."""
    statistics = describe(parsed.captions, parsed.trees, parsed.vocabulary)
    pairs = list(zip(parsed.captions, parsed.trees, strict=True))
    if form == "json":
        rows = [{"image": each.image, "caption": each.text, "tree": tree} for each, tree in pairs]
        return json.dumps({"statistics": statistics, "trees": rows}, ensure_ascii=False)
    show = draw if form == "drawing" else as_line
    return "\n".join([*(show(each, tree) for each, tree in pairs), "", as_text(statistics)])


def training_trees(captions: Sequence[Caption], trees: Sequence[Tree]) -> list[Tree]:
    """Those of the training split; all, where the file tells no splits."""
    if all(caption.split is None for caption in captions):
        return list(trees)
    return [tree for caption, tree in zip(captions, trees, strict=True) if caption.split == "train"]


def describe(
    captions: Sequence[Caption], trees: Sequence[Tree], words: Vocabulary
) -> dict[str, Any]:
    """Counts and shares in [0, 1]; `words` was built from the training split."""
    entities, relations = vocabulary.counts(trees)
    return {
        "parser": words.parser,
        "captions": len(captions),
        "images": len({caption.image for caption in captions}),
        "training_captions": len(training_trees(captions, trees)),
        "present": dict(zip(NODES, _present(trees), strict=True)),
        "present_in_vocabulary": dict(zip(NODES, _known(trees, words), strict=True)),
        "entities": _of_kind(entities, words.entities),
        "relations": _of_kind(relations, words.relations),
        "vocabulary_sha256": words.digest,
    }


def _present(trees: Sequence[Tree]) -> list[float]:
    return [sum(tree[node] is not None for tree in trees) / len(trees) for node in range(7)]


def _known(trees: Sequence[Tree], words: Vocabulary) -> list[float]:
    labels = [words.encode(tree) for tree in trees]
    return [sum(each[node] != NULL for each in labels) / len(labels) for node in range(7)]


def _of_kind(count: dict[str, int], known: Sequence[str]) -> dict[str, Any]:
    used = sum(count.values())
    covered = sum(count.get(word, 0) for word in known)
    return {
        "different": len(count),
        "in_vocabulary": len(known),
        "coverage": covered / used if used else 0.0,
        "commonest": [[word, count.get(word, 0)] for word in known[:10]],
    }


def as_text(statistics: dict[str, Any]) -> str:
    """`describe` for people."""
    nodes = [
        {
            "node": node,
            "not null": f"{statistics['present'][node]:.1%}",
            "in vocabulary": f"{statistics['present_in_vocabulary'][node]:.1%}",
        }
        for node in NODES
    ]
    lines = [
        f"{statistics['captions']} captions of {statistics['images']} images, "
        f"parser {statistics['parser']}",
        as_table(nodes, right=("not null", "in vocabulary")),
    ]
    for kind in ("entities", "relations"):
        each = statistics[kind]
        commonest = ", ".join(f"{word} {count}" for word, count in each["commonest"])
        lines.append(
            f"{kind}: {each['different']} different; the vocabulary's {each['in_vocabulary']} "
            f"and null cover {each['coverage']:.1%}: {commonest} ..."
        )
    return "\n".join(
        [*lines, f"vocabulary of {statistics['training_captions']} training captions, "
                 f"sha256 {statistics['vocabulary_sha256'][:16]}"]
    )  # fmt: skip


def as_line(caption: Caption, tree: Tree) -> str:
    """Image, caption and nodes with tabs between."""
    return "\t".join([caption.image, caption.text, *(node or BLANK for node in tree)])


def draw(caption: Caption, tree: Tree) -> str:
    """The tree as text: leaves below their relation, relations below the root."""
    names = [node or BLANK for node in tree]
    width = max(map(len, names)) + 2
    leaves = "".join(names[node].center(2 * width) for node in (0, 2, 4, 6))
    branch = f"┌{'─' * (width - 1)}┴{'─' * (width - 1)}┐".center(4 * width)
    relations = "".join(names[node].center(4 * width) for node in (1, 5))
    stem = f"┌{'─' * (2 * width - 1)}┴{'─' * (2 * width - 1)}┐".center(8 * width)
    root = names[3].center(8 * width)
    lines = [f"{caption.image}: {caption.text}", root, stem, relations, branch * 2, leaves]
    return "\n".join(line.rstrip() for line in lines) + "\n"
