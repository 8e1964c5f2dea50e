"""The labels of the tree's nodes: the commonest entities and relations of the training split."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from blurbench.captions.trees import NAME, Tree
from blurbench.errors import UserError
from blurbench.files import read_json, write_json

# S3E-Deblur, section 4.1: 839 and 247 labels, of which one is null.
# Of 10,010 COCO captions they keep 95.3 % of the entities and 95.6 % of the relations.
ENTITIES, RELATIONS = 838, 246
NULL = 0  # the label of null, and of what is not in the vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Entities and relations, the commonest first; label n is the n-th, label 0 is null."""

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    parser: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the words, the parser and the synonyms: equal where labels mean the same."""
        parts = [self.parser, synonyms_digest(), list(self.entities), list(self.relations)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def _words(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.entities, self.relations

    @cached_property
    def _labels(self) -> list[dict[str, int]]:
        return [{word: label for label, word in enumerate(words, 1)} for words in self._words]

    def encode(self, tree: Sequence[str | None]) -> list[int]:
        """Labels of the seven nodes of a tree, synonyms merged."""
        merged = merge(Tree(*tree))
        return [
            NULL if word is None else self._labels[node % 2].get(word, NULL)
            for node, word in enumerate(merged)
        ]

    def decode(self, labels: Sequence[int]) -> Tree:
        """The tree that seven labels stand for."""
        words = (
            None if label == NULL else self._words[node % 2][label - 1]
            for node, label in enumerate(labels)
        )
        return Tree(*words)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "parser": self.parser,
            "synonyms": synonyms_digest(),
            "sha256": self.digest,
            "entities": list(self.entities),
            "relations": list(self.relations),
        }

    def write(self, path: Path) -> None:
        """As a file, commonly vocabulary.json."""
        write_json(path, self.as_json())


def build(
    trees: Iterable[Tree],
    entities: int = ENTITIES,
    relations: int = RELATIONS,
    parser: str = NAME,
) -> Vocabulary:
    """The commonest words of the training split's trees; of equals the first in the alphabet."""
    words, joints = counts(trees)
    return Vocabulary(_commonest(words, entities), _commonest(joints, relations), parser)


def counts(trees: Iterable[Tree]) -> tuple[Counter[str], Counter[str]]:
    """How often each entity and each relation stands in the trees, synonyms merged."""
    found: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for tree in trees:
        for node, word in enumerate(merge(tree)):
            if word is not None:
                found[node % 2][word] += 1
    return found


def _commonest(count: Counter[str], size: int) -> tuple[str, ...]:
    # Counter.most_common keeps the order of arrival, which another order of captions changes.
    return tuple(sorted(count, key=lambda word: (-count[word], word))[:size])


def merge(tree: Tree) -> Tree:
    """A tree with the commoner of two words that mean the same."""
    tables = synonyms()
    return Tree(*(word and tables[node % 2].get(word, word) for node, word in enumerate(tree)))


@cache
def synonyms() -> tuple[dict[str, str], dict[str, str]]:
    """Word -> the word it is merged into; of entities, of relations."""
    tables: tuple[dict[str, str], dict[str, str]] = {}, {}
    for row in csv.DictReader(_table().decode().splitlines()):
        tables[row["kind"] == "relation"][row["word"]] = row["becomes"]
    return tables


def synonyms_digest() -> str:
    """SHA-256 of the table of synonyms."""
    return hashlib.sha256(_table()).hexdigest()


@cache
def _table() -> bytes:
    return Path(__file__).with_name("synonyms.csv").read_bytes()


def read(path: Path) -> Vocabulary:
    """A vocabulary that `write` wrote; UserError names what is wrong with it."""
    return from_json(read_json(path), str(path))


def from_json(document: Any, where: str) -> Vocabulary:
    """A vocabulary from `as_json`; UserError says what is wrong, beginning with `where`."""
    if not isinstance(document, dict) or not isinstance(document.get("parser"), str):
        raise UserError(f"{where}: no vocabulary; `blurbench captions trees` writes one")
    for key in ("entities", "relations"):
        words = document.get(key)
        if not isinstance(words, list) or not all(isinstance(each, str) and each for each in words):
            raise UserError(f"{where}: {key} must be a list of words")
        if len(set(words)) < len(words):
            raise UserError(f"{where}: {key} holds a word twice")
    vocabulary = Vocabulary(
        tuple(document["entities"]), tuple(document["relations"]), document["parser"]
    )
    if document.get("synonyms") != synonyms_digest():
        raise UserError(f"{where}: made with other synonyms; make the vocabulary again")
    if document.get("sha256") != vocabulary.digest:
        raise UserError(f"{where}: changed since it was written; make the vocabulary again")
    return vocabulary
