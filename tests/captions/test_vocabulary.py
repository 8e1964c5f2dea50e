"""Vocabularies: from the training split only, of a stated size, the same file for everybody."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.captions import parse_caption, statistics, vocabulary
from blurbench.captions.files import Caption
from blurbench.captions.trees import NAME, Tree
from blurbench.captions.vocabulary import Vocabulary, build, merge, read
from blurbench.errors import UserError

CAPTIONS = [
    "A man rides a horse on a beach",
    "A guy rides a motorbike",
    "A man sits on a sofa with a dog",
    "A dog lies on a couch",
]
TREES = [parse_caption(caption) for caption in CAPTIONS]
words = st.none() | st.text("abc", min_size=1, max_size=2)
trees = st.builds(Tree, *[words] * 7)


def test_the_commonest_words_come_first_and_synonyms_are_one() -> None:
    built = build(TREES, entities=3, relations=2)
    assert built.entities == ("man", "couch", "dog")
    assert built.relations == ("ride", "lay_P")
    assert built.parser == NAME


def test_labels() -> None:
    built = build(TREES, entities=3, relations=2)
    assert built.encode(TREES[1]) == [1, 0, 0, 1, 0, 0, 0]  # a guy is a man, no motorcycle is known
    assert built.encode(TREES[3]) == [3, 0, 0, 2, 2, 0, 0]
    assert built.decode([3, 0, 0, 2, 2, 0, 0]) == Tree("dog", root="lay_P", subject2="couch")


@given(st.lists(trees, max_size=8), st.integers(1, 5), st.integers(1, 5))
def test_what_is_known_comes_back(several: list[Tree], entities: int, relations: int) -> None:
    built = build(several, entities, relations)
    assert len(built.entities) <= entities
    assert len(built.relations) <= relations
    for tree in several:
        merged = merge(tree)
        back = built.decode(built.encode(tree))
        for node, word in enumerate(back):
            known = built.relations if node % 2 else built.entities
            assert word == (merged[node] if merged[node] in known else None)


@given(st.permutations(TREES))
def test_the_order_of_captions_does_not_matter(several: list[Tree]) -> None:
    assert build(several, 4, 3) == build(TREES, 4, 3)


def test_only_the_training_split_is_looked_at() -> None:
    splits = ["train", "val", "train", "test"]
    captions = [Caption("1", text, split) for text, split in zip(CAPTIONS, splits, strict=True)]
    assert statistics.training_trees(captions, TREES) == [TREES[0], TREES[2]]
    without = [Caption("1", text) for text in CAPTIONS]
    assert statistics.training_trees(without, TREES) == TREES


def test_the_table_of_synonyms() -> None:
    for table in vocabulary.synonyms():
        assert len(table) > 30
        assert not set(table) & set(table.values())  # one step suffices
        assert all(word == word.strip() and word for pair in table.items() for word in pair)


def test_a_file_and_back(tmp_path: Path) -> None:
    built = build(TREES)
    built.write(tmp_path / "vocabulary.json")
    assert read(tmp_path / "vocabulary.json") == built
    assert json.loads((tmp_path / "vocabulary.json").read_text())["sha256"] == built.digest


def test_the_digest_tells_parsers_and_words_apart() -> None:
    same = Vocabulary(("man",), ("on",), "rules-1")
    assert same.digest == Vocabulary(("man",), ("on",), "rules-1").digest
    for other in (
        Vocabulary(("man",), ("on",), "rules-2"),
        Vocabulary(("man", "dog"), ("on",), "rules-1"),
        Vocabulary((), ("man", "on"), "rules-1"),
    ):
        assert other.digest != same.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entities": ["man", "man"]}, "entities holds a word twice"),
        ({"relations": [1]}, "relations must be a list of words"),
        ({"entities": None}, "entities must be a list"),
        ({"entities": ["dog", "man"]}, "changed since it was written"),
        ({"parser": "rules-0"}, "changed since it was written"),
        ({"parser": 3}, "no vocabulary"),
        ({"synonyms": "0"}, "other synonyms"),
        ({"sha256": None}, "changed since"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(Vocabulary(("man", "dog"), ("on",), NAME).as_json() | changes))
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


def test_statistics() -> None:
    captions = [Caption(str(number // 2), text) for number, text in enumerate(CAPTIONS)]
    told = statistics.describe(captions, TREES, build(TREES, 3, 2))
    assert told["captions"] == 4
    assert told["images"] == 2
    assert told["present"]["Subj1"] == 1
    assert told["present"]["Obj2"] == 0.5
    assert told["present_in_vocabulary"]["Subj2"] == 0.5
    assert told["entities"]["different"] == 6
    assert told["entities"]["coverage"] == pytest.approx(7 / 10)
    rows = [line.split() for line in statistics.as_text(told).splitlines()]
    assert ["Subj1", "100.0%", "100.0%"] in rows


def test_a_drawing() -> None:
    drawn = statistics.draw(Caption("7", CAPTIONS[0]), TREES[0]).splitlines()
    assert drawn[0] == "7: A man rides a horse on a beach"
    assert [line.split() for line in drawn[1::2]] == [
        ["ride"],
        ["-", "on"],
        ["man", "-", "horse", "beach"],
    ]
    # each leaf hangs below an end of its branch
    assert drawn[4].index("┌") in range(drawn[5].index("man") - 1, drawn[5].index("man") + 4)
