"""The classes of tree nodes (stands in for the vocabulary of blurbench.captions)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blurbench.captions.trees import ENTITIES, NAME, Tree


@dataclass(frozen=True)
class Vocabulary:
    """Classes by number; number 0 is null."""

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    parser: str = NAME

    def classes(self, tree: Tree) -> list[int]:
        """The class of each node; rare words are null."""
        numbers = [
            {w: i for i, w in enumerate(self.entities)},
            {w: i for i, w in enumerate(self.relations)},
        ]
        return [
            numbers[node not in ENTITIES].get(word, 0) if word else 0
            for node, word in enumerate(tree)
        ]

    def to_json(self) -> dict[str, Any]:
        """What a run keeps."""
        return {
            "parser": self.parser,
            "entities": list(self.entities),
            "relations": list(self.relations),
        }

    @classmethod
    def from_json(cls, d: Any) -> "Vocabulary":
        """Undo `to_json`."""
        return cls(tuple(d["entities"]), tuple(d["relations"]), d["parser"])


def build_vocabulary(trees: Iterable[Tree], entities: int, relations: int) -> Vocabulary:
    """The commonest."""
    counts: list[Counter[str]] = [Counter(), Counter()]
    for tree in trees:
        for node, word in enumerate(tree):
            if word:
                counts[node not in ENTITIES][word] += 1
    kept = [
        ("null", *(w for w, _ in sorted(c.items(), key=lambda i: (-i[1], i[0]))[: size - 1]))
        for c, size in zip(counts, (entities, relations), strict=True)
    ]
    return Vocabulary(kept[0], kept[1])
