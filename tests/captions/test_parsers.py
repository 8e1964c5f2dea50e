"""Other parsers than ours: dependency parses, stand-ins for spaCy and Stanza, files of trees."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blurbench.captions.dependencies import Token, tree_of
from blurbench.captions.files import Caption
from blurbench.captions.parsers import open_parser
from blurbench.captions.trees import Tree
from blurbench.errors import UserError

# lemma kind role head; the root is its own head
SPACY = {
    "man NOUN root 0|ride VERB acl 0|wave NOUN dobj 1|on ADP prep 1|board NOUN pobj 3": (
        "man", None, None, "ride", "wave", "on", "board"),
    "man NOUN nsubj 2|be AUX aux 2|sit VERB root 2|on ADP prep 2|bench NOUN pobj 3"
    "|with ADP prep 4|dog NOUN pobj 5": ("man", None, None, "sit_P", "bench", "with", "dog"),
    "man NOUN nsubj 5|with ADP prep 0|hat NOUN pobj 1|and CCONJ cc 0|dog NOUN conj 0"
    "|run VERB root 5": ("man", "with", "hat", "run", None, None, None),
    "cup NOUN nsubj 1|be AUX root 1|on ADP prep 1|table NOUN pobj 2": (
        "cup", None, None, "on", "table", None, None),
    "sink NOUN root 0|and CCONJ cc 0|tub NOUN conj 0|in ADP prep 2|room NOUN pobj 3": (
        "sink", None, None, "and", "tub", "in", "room"),
    "dog NOUN root 0": ("dog", None, None, None, None, None, None),
}  # fmt: skip
UNIVERSAL = {
    "man NOUN root 0|sit VERB acl 0|on ADP case 3|bench NOUN obl 1|near ADP case 5"
    "|dog NOUN nmod 3": ("man", None, None, "sit_P", "bench", "near", "dog"),
}


def tokens(text: str) -> list[Token]:
    rows = [word.split() for word in text.split("|")]
    return [Token(lemma, kind, role, int(head)) for lemma, kind, role, head in rows]


@pytest.mark.parametrize("parse", [*SPACY, *UNIVERSAL])
def test_trees_of_dependencies(parse: str) -> None:
    assert tree_of(tokens(parse)) == (SPACY | UNIVERSAL)[parse]


def test_no_words_no_tree() -> None:
    assert tree_of([]) == Tree()
    assert tree_of(tokens("run VERB root 0")) == Tree()


def test_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = [
        SimpleNamespace(
            lemma_=each.lemma, pos_=each.kind, dep_=each.role, head=SimpleNamespace(i=each.head)
        )
        for each in tokens(next(iter(SPACY)))
    ]
    language = SimpleNamespace(
        pipe=lambda texts: [parsed for _ in texts], meta={"name": "m", "version": "3"}
    )

    def load(name: str) -> Any:
        if name != "m":
            raise OSError
        return language

    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(load=load, __version__="3.8"))
    parser = open_parser("spacy:m")
    assert parser.name == "spacy-3.8:m-3"
    assert parser.parse([Caption("1", "x")] * 2) == [next(iter(SPACY.values()))] * 2
    with pytest.raises(UserError, match="no model 'en'"):
        open_parser("spacy:en")


def test_stanza(monkeypatch: pytest.MonkeyPatch) -> None:
    text, tree = next(iter(UNIVERSAL.items()))
    words = [
        SimpleNamespace(
            lemma=each.lemma, upos=each.kind, deprel=f"{each.role}:x", text="",
            head=0 if each.head == index else each.head + 1,
        )
        for index, each in enumerate(tokens(text))
    ]  # fmt: skip
    document = SimpleNamespace(sentences=[SimpleNamespace(words=words)])
    asked = {}

    def pipeline(language: str, **options: Any) -> Any:
        asked.update(options, language=language)
        return lambda _: document

    monkeypatch.setitem(sys.modules, "stanza", SimpleNamespace(Pipeline=pipeline, __version__="1"))
    assert open_parser("stanza:en").parse([Caption("1", "x")]) == [tree]
    assert asked["download_method"] is None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setitem(sys.modules, "stanza", None)
    for name in ("spacy", "stanza"):
        with pytest.raises(UserError, match=f"pip install {name}"):
            open_parser(f"{name}:en")


def test_trees_from_a_file(tmp_path: Path) -> None:
    one = ["man", "", "null", "ride", "wave", None, None]
    path = tmp_path / "trees.json"
    path.write_text(json.dumps({"1": one, "2": [one, [None] * 7]}))
    parser = open_parser(str(path))
    assert parser.name.startswith("trees.json-")
    captions = [Caption("1", "a"), Caption("2", "b"), Caption("2", "c")]
    man = Tree("man", root="ride", subject2="wave")
    assert parser.parse(captions) == [man, man, Tree()]
    with pytest.raises(UserError, match="image 1 has fewer trees"):
        parser.parse([captions[0], captions[0]])
    path.write_text(json.dumps({"1": ["man"]}))
    with pytest.raises(UserError, match="image 1: a tree is a list of 7"):
        open_parser(str(path))


def test_an_unknown_parser() -> None:
    with pytest.raises(UserError, match="no parser 'corenlp'"):
        open_parser("corenlp")
