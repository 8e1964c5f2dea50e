"""The words of captions and the classes of their trees, as numbers."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from blurbench.captions import parse_caption, vocabulary
from blurbench.captions.trees import NODES
from blurbench.captions.vocabulary import Vocabulary
from blurbench.captions.words import tokenize
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.models.captioners.decoders import END

UNKNOWN = 1  # a word outside the vocabulary; never written
Trees = tuple[tuple[int, ...], ...]  # the seven labels of each caption of a picture


@dataclass(frozen=True)
class Language:
    """What a model knows of language, from the captions of its training split."""

    words: tuple[str, ...]  # of captions, commonest first; number 2 is the first
    trees: Vocabulary  # entities and relations
    pictures: tuple[Trees, ...] = ()  # of the training split, where a model shuffles them

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Word -> its number."""
        return {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}

    def spell(self, caption: str, longest: int) -> Tensor:
        """The numbers of a caption's first words, (longest + 1,), filled up with END."""
        found = [self.numbers.get(word, UNKNOWN) for word in tokenize(caption).split()[:longest]]
        return torch.tensor(found + [END] * (longest + 1 - len(found)))

    def text(self, caption: Sequence[int]) -> str:
        """The sentence that some numbers stand for."""
        return " ".join(self.words[number - UNKNOWN - 1] for number in caption)

    def allowed(self, size: int) -> Tensor:
        """(size,): which outputs of a decoder stand for something that may be written."""
        found = torch.zeros(size, dtype=torch.bool)
        found[UNKNOWN + 1 : UNKNOWN + 1 + len(self.words)] = True
        found[END] = True
        return found

    def classes(self, caption: str) -> Tensor:
        """(7,) the classes of the nodes of its tree, 0 for null."""
        return torch.tensor(self.trees.encode(parse_caption(caption)))

    @property
    def hash(self) -> str:
        """Of all of it: what stands for it in the configuration of a run."""
        return sha256(json.dumps(self.to_json()).encode())[:12]

    def to_json(self) -> dict[str, Any]:
        """What vocabulary.json holds."""
        pictures = {"pictures": self.pictures} if self.pictures else {}
        return {**self.trees.as_json(), "words": list(self.words), **pictures}

    @classmethod
    def from_json(cls, document: Any, where: str) -> "Language":
        """Undo `to_json`; UserError says what is wrong, beginning with `where`."""
        trees = vocabulary.from_json(document, where)
        words = document.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f"{where}: words must be a list of words")
        return cls(tuple(words), trees, read_pictures(document.get("pictures", []), where))


def read_pictures(held: Any, where: str) -> tuple[Trees, ...]:
    """The labels of the training split's captions; UserError unless they are seven each."""
    try:
        found = tuple(tuple(tuple(tree) for tree in trees) for trees in held)
    except TypeError:
        found = (((),),)
    trees = [tree for trees in found for tree in trees]
    if not all(len(tree) == len(NODES) and all(type(n) is int for n in tree) for tree in trees):
        raise UserError(f"{where}: pictures must be lists of seven labels a caption")
    return found


def learn_language(
    captions: Iterable[Sequence[str]], words: int, count: int, entities: int, relations: int
) -> Language:
    """The commonest words, entities and relations of the sentences of a training split.

    `words` with the unknown one, each found `count` times; `entities`, `relations` with null.
    UserError where that leaves no word.
    """
    sentences = [sentence for each in captions for sentence in each]
    counts = Counter(word for sentence in sentences for word in tokenize(sentence).split())
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: words - 1]
    kept = tuple(word for word, found in common if found >= count)
    if not kept:
        raise UserError(
            f"word_count={count}: no word stands so often in the {len(sentences)} captions of the"
            " training split; lower it, as with --set word_count=1"
        )
    trees = map(parse_caption, sentences)
    return Language(kept, vocabulary.build(trees, entities - 1, relations - 1))
