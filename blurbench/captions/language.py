"""What is known of English: the lists of english.toml, a tagging dictionary and a lemmatiser."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blurbench.errors import UserError

# Penn's tags, as far as a tree needs them.
NOUN, VERB, ADJECTIVE, SKIP = "N", "V", "J", "-"
DETERMINER, AUXILIARY, PREPOSITION, CONJUNCTION = "D", "X", "P", "C"
KIND_OF_TAG = {
    "NN": NOUN, "NNS": NOUN, "NNP": NOUN, "NNPS": NOUN, "FW": NOUN,
    "VB": VERB, "VBD": VERB, "VBG": VERB, "VBN": VERB, "VBP": VERB, "VBZ": VERB,
    "JJ": ADJECTIVE, "JJR": ADJECTIVE, "JJS": ADJECTIVE,
    "CD": DETERMINER, "DT": DETERMINER, "PDT": DETERMINER, "PRP$": DETERMINER,
}  # fmt: skip
CLOSED = (
    ("determiners", DETERMINER),
    ("auxiliaries", AUXILIARY),
    ("prepositions", PREPOSITION),
    ("conjunctions", CONJUNCTION),
    ("skipped", SKIP),
    ("adjectives", ADJECTIVE),
    ("nouns", NOUN),
    ("nouns_in_ing", NOUN),
)
ADJECTIVE_ENDS = ("able", "al", "ful", "ible", "ient", "ish", "ive", "less", "tic", "ous")


@dataclass(frozen=True, slots=True)
class Word:
    """A word and what it may be."""

    text: str
    kind: str  # its commonest reading
    noun: str | None  # its lemma as a noun, None if the dictionary knows none
    verb: str | None  # its lemma as a verb

    @property
    def is_participle(self) -> bool:
        """Whether it is riding, parked, taken or held, not ride or rides."""
        return self.text != self.verb and not self.text.endswith("s")

    @property
    def is_plural(self) -> bool:
        """Whether its noun stands for several."""
        return self.text == "people" or (self.noun is not None and self.text != self.noun)


@cache
def english() -> dict[str, Any]:
    """english.toml; what it lists in `words` as sets."""
    lists = tomllib.loads(Path(__file__).with_name("english.toml").read_text(encoding="utf-8"))
    lists["words"] = {name: frozenset(text.split()) for name, text in lists["words"].items()}
    return lists


@cache
def listed(name: str) -> frozenset[str]:
    """One of the sets of `english`."""
    words: frozenset[str] = english()["words"][name]
    return words


@cache
def dictionary() -> dict[str, str]:
    """Word -> Penn tag, of the Brill dictionary in TextBlob's wheel.

    Read from its file, in 0.1 s: importing textblob.en, which reads no other, takes 1 to 3 s.
    """
    spec = find_spec("textblob")
    roots = spec.submodule_search_locations if spec else None
    if not roots:
        raise UserError("the caption parser needs the package textblob: pip install textblob")
    text = (Path(next(iter(roots))) / "en" / "en-lexicon.txt").read_text(encoding="utf-8")
    pairs = (line.split(" ") for line in text.splitlines() if not line.startswith(";;;"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


@cache
def word(text: str) -> Word:
    """What a word in small letters may be."""
    from lemminflect import getAllLemmas, getLemma

    kind = next((kind for name, kind in CLOSED if text in listed(name)), None) or _kind(text)
    known = getAllLemmas(text)
    own = english()["lemmas"].get(text)
    noun = own or next(iter(known.get("NOUN", ())), None) or _singular(text, kind)
    verb = next(iter(known.get("VERB", ())), None)
    if verb is None and (kind == VERB or text.endswith("ing")):
        guess: str = next(iter(getLemma(text, "VERB")), text)
        # "cooking" is known as a noun only, and a building is nothing that builds
        verb = guess if kind == VERB or guess in listed("verbs") else None
    return Word(text, kind, noun, own if verb and own else verb)


def _kind(text: str) -> str:
    if not text.isascii() or not text[0].isalpha():
        return DETERMINER if text[0].isdigit() else SKIP if len(text) == 1 else NOUN
    tag = dictionary().get(text)
    return KIND_OF_TAG.get(tag, SKIP) if tag else _by_ending(text)


def _by_ending(text: str) -> str:
    if text.endswith("ly"):
        return SKIP
    if text.endswith(("ing", "ed")):
        return VERB
    return ADJECTIVE if text.endswith(ADJECTIVE_ENDS) else NOUN


def _singular(text: str, kind: str) -> str | None:
    """For nouns the lemmatiser does not know: its own guesses make "multus" of "multi"."""
    if kind != NOUN:
        return None
    if text.endswith(("xes", "ches", "shes", "sses")):
        return text[:-2]
    if text.endswith("ies") and len(text) > 5:
        return text[:-3] + "y"
    return text[:-1] if re.search(r"[^aiosu]s$", text) else text
