"""The tree of seven nodes from a dependency parse, spaCy's or Stanza's."""

from collections.abc import Sequence
from dataclasses import dataclass

from blurbench.captions.trees import Tree

SUBJECTS = ("nsubj", "nsubjpass")
OBJECTS = ("dobj", "obj", "attr")
CLAUSES = ("acl", "relcl")
PREPOSITIONAL = ("prep", "agent")  # spaCy: verb -prep-> with -pobj-> noun
OBLIQUE = ("obl", "nmod")  # Universal Dependencies: verb -obl-> noun -case-> with
NOUNS = ("NOUN", "PROPN", "PRON")

Edge = tuple[str, int | None]  # a relation, and the index of the entity it leads to


@dataclass(frozen=True)
class Token:
    """A word of a parse."""

    lemma: str
    kind: str  # universal part of speech: NOUN, VERB, ADP, ...
    role: str  # dependency, in small letters, without what follows a colon
    head: int  # index of its governor; its own at the root


def tree_of(tokens: Sequence[Token]) -> Tree:
    """The root relation is the main verb, or of a noun phrase its first clause or preposition.

    Either side has the first entity that hangs on its own by a preposition, a clause or "and".
    """
    root = next((index for index, token in enumerate(tokens) if token.head == index), None)
    if root is None:
        return Tree()
    verb: int | None = root
    subject = next(iter(_children(tokens, root, SUBJECTS)), None)
    if tokens[root].kind in NOUNS:
        subject = root
        verb = next(iter(_children(tokens, root, CLAUSES)), None)
    if subject is None:
        return Tree()
    left = _hanging(tokens, subject, but=verb)
    if verb is not None:
        (relation, entity), further = _of_verb(tokens, verb)
    elif left:
        (relation, entity), further, left = left[0], left[1:], []
    else:
        return Tree(tokens[subject].lemma)
    right = [] if entity is None else [*_hanging(tokens, entity), *further]
    sides = [_pair(tokens, edges) for edges in (left, right)]
    return Tree(tokens[subject].lemma, *sides[0], relation, _lemma(tokens, entity), *sides[1])


def _of_verb(tokens: Sequence[Token], verb: int) -> tuple[Edge, list[Edge]]:
    """What a verb does to its first argument, and how its others hang on."""
    lemma = tokens[verb].lemma
    if not (found := _arguments(tokens, verb)):
        return (lemma, None), []
    preposition, entity = found[0]
    relation = f"{lemma}_P" if preposition else lemma
    if preposition and tokens[verb].kind == "AUX":
        relation = preposition  # "is on"
    return (relation, entity), [(name or "and", noun) for name, noun in found[1:]]


def _hanging(tokens: Sequence[Token], noun: int, but: int | None = None) -> list[Edge]:
    prepositions: list[Edge] = [(name, other) for name, other in _arguments(tokens, noun) if name]
    clauses = [
        _of_verb(tokens, verb)[0] for verb in _children(tokens, noun, CLAUSES) if verb != but
    ]
    joined: list[Edge] = [
        ("and", other)
        for other in _children(tokens, noun, ("conj",))
        if tokens[other].kind in NOUNS
    ]
    return [edge for edge in [*prepositions, *clauses, *joined] if edge[1] is not None]


def _arguments(tokens: Sequence[Token], index: int) -> list[tuple[str, int]]:
    """Objects, with no preposition (""), then what follows a preposition."""
    objects = [("", noun) for noun in _children(tokens, index, OBJECTS)]
    after = [
        (tokens[preposition].lemma, noun)
        for preposition in _children(tokens, index, PREPOSITIONAL)
        for noun in _children(tokens, preposition, ("pobj",))
    ]
    cased = [
        (tokens[preposition].lemma, noun)
        for noun in _children(tokens, index, OBLIQUE)
        for preposition in _children(tokens, noun, ("case",))[:1]
    ]
    return [*objects, *after, *cased]


def _children(tokens: Sequence[Token], index: int, roles: Sequence[str]) -> list[int]:
    return [
        other
        for other, token in enumerate(tokens)
        if token.head == index != other and token.role in roles
    ]


def _pair(tokens: Sequence[Token], edges: Sequence[Edge]) -> tuple[str | None, str | None]:
    relation, entity = edges[0] if edges else (None, None)
    return relation, _lemma(tokens, entity)


def _lemma(tokens: Sequence[Token], index: int | None) -> str | None:
    return None if index is None else tokens[index].lemma
