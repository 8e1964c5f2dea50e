"""Who makes the trees: our rules, a dependency parser that the user has, or a file of trees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.captions.dependencies import Token, tree_of
from blurbench.captions.files import Caption
from blurbench.captions.trees import NAME, Tree, parse_caption
from blurbench.errors import UserError
from blurbench.files import read_json, sha256


@dataclass(frozen=True)
class Parser:
    """Something that makes trees."""

    name: str  # with its version; part of a vocabulary's digest
    parse: Callable[[Sequence[Caption]], list[Tree]]


def open_parser(name: str = "rules") -> Parser:
    """`rules`, `spacy:MODEL`, `stanza:LANGUAGE`, or a JSON file: image id -> 7 strings or several.

    UserError names what is missing; nothing is downloaded.
    """
    kind, _, model = name.partition(":")
    if name == "rules":
        return Parser(NAME, lambda captions: [parse_caption(each.text) for each in captions])
    if kind == "spacy" and model:
        return _spacy(model)
    if kind == "stanza" and model:
        return _stanza(model)
    if name.endswith(".json"):
        return _from_file(Path(name))
    raise UserError(f"no parser {name!r}; give rules, spacy:MODEL, stanza:LANGUAGE or a .json file")


def _spacy(model: str) -> Parser:
    try:
        import spacy

        language = spacy.load(model)
    except ImportError:
        raise UserError("parser spacy: the package is missing: pip install spacy") from None
    except OSError:
        raise UserError(
            f"parser spacy: no model {model!r}; install its package, or give its folder"
        ) from None

    def parse(captions: Sequence[Caption]) -> list[Tree]:
        documents = language.pipe(each.text for each in captions)
        return [tree_of([_of_spacy(word) for word in words]) for words in documents]

    meta = language.meta
    return Parser(f"spacy-{spacy.__version__}:{meta['name']}-{meta['version']}", parse)


def _of_spacy(word: Any) -> Token:
    return Token(word.lemma_.lower(), word.pos_, word.dep_.lower().partition(":")[0], word.head.i)


def _stanza(language: str) -> Parser:
    try:
        import stanza

        # Without this it would look for newer models on the network.
        pipeline = stanza.Pipeline(
            language, processors="tokenize,pos,lemma,depparse", download_method=None, verbose=False
        )
    except ImportError:
        raise UserError("parser stanza: the package is missing: pip install stanza") from None
    except Exception as error:
        raise UserError(f"parser stanza: no model {language!r} ({error})") from None

    def parse(captions: Sequence[Caption]) -> list[Tree]:
        return [tree_of(_of_stanza(pipeline(each.text))) for each in captions]

    return Parser(f"stanza-{stanza.__version__}:{language}", parse)


def _of_stanza(document: Any) -> list[Token]:
    tokens: list[Token] = []
    for sentence in document.sentences[:1]:
        for index, word in enumerate(sentence.words):
            role = word.deprel.partition(":")[0]
            head = word.head - 1 if word.head else index
            tokens.append(Token((word.lemma or word.text).lower(), word.upos, role, head))
    return tokens


def _from_file(path: Path) -> Parser:
    """Trees that another program made: the images' first trees belong to their first captions."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: wanted {{image id: 7 strings, or a list of such}}")
    found = {image: _trees(trees, f"{path}: image {image}") for image, trees in document.items()}

    def parse(captions: Sequence[Caption]) -> list[Tree]:
        seen: dict[str, int] = {}
        trees = []
        for each in captions:
            place = seen[each.image] = seen.get(each.image, -1) + 1
            several = found.get(each.image, [])
            if place >= len(several):
                raise UserError(f"{path}: image {each.image} has fewer trees than captions")
            trees.append(several[place])
        return trees

    return Parser(f"{path.name}-{sha256(path.read_bytes())[:16]}", parse)


def _trees(value: Any, where: str) -> list[Tree]:
    several = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    for each in several:
        good = isinstance(each, list) and len(each) == len(Tree._fields)
        if not good or not all(node is None or isinstance(node, str) for node in each):
            raise UserError(f"{where}: a tree is a list of 7 texts or nulls")
    return [Tree(*(None if node in ("", "null") else node for node in each)) for each in several]
