"""A sentence as words, each with the one reading that its neighbours leave."""

import re
from functools import cache

from blurbench.captions.language import (
    ADJECTIVE,
    AUXILIARY,
    CONJUNCTION,
    DETERMINER,
    NOUN,
    PREPOSITION,
    SKIP,
    VERB,
    Word,
    dictionary,
    english,
    listed,
    word,
)

QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": " ", "”": " ", '"': " ", "_": " "})
MARKS = re.compile(r"[.,;:!?()\[\]/]+")
HYPHENED = re.compile(r"\w+(?:-\w+)+")
TOKEN = re.compile(r"[^\W_][\w']*|,|&")
COMMA = ","
PRONOUNS = ("one", "other", "others", "another")  # determiners that can stand alone


def split(text: str) -> list[str]:
    """Words in small letters; marks inside the sentence become commas, set phrases one word."""
    text = HYPHENED.sub(_without_participle, text.lower().translate(QUOTES)).replace("-", " ")
    text = MARKS.sub(" , ", re.sub(r"(?<=\d)[.,:](?=\d)", "", text)).strip(" ,")
    return TOKEN.findall(_phrases().sub(_replace, " ".join(text.split())))


def _without_participle(found: re.Match[str]) -> str:
    """Nothing is left of "snow-covered", which says how; "close-up" are two words."""
    return " " if found.group().endswith(("ed", "ing", "en")) else found.group()


@cache
def _table() -> dict[str, str]:
    of_measure = {f"{measure} of": "" for measure in sorted(listed("measures"))}
    table: dict[str, str] = english()["compounds"] | english()["phrases"] | of_measure
    return table


@cache
def _phrases() -> re.Pattern[str]:
    # Of two phrases that begin alike the longer one is meant.
    phrases = sorted(_table(), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b")


def _replace(found: re.Match[str]) -> str:
    return _table()[found.group()]


def tag(texts: list[str]) -> list[tuple[Word, str]]:
    """Each word with its kind here."""
    words = [word(text) for text in map(_plain, texts)]
    kinds = [SKIP if each.text == COMMA else each.kind for each in words]
    for index, text in enumerate(texts):
        if text == COMMA:
            kinds[index] = CONJUNCTION
        elif "'" in text:
            kinds[index] = _of_apostrophe(text)
    for index, each in enumerate(words):
        if kinds[index] in (NOUN, VERB, ADJECTIVE) and "'" not in texts[index]:
            kinds[index] = _settle(each, index, words, kinds)
    _join_adjectives(kinds)
    return list(zip(words, kinds, strict=True))


def _plain(text: str) -> str:
    return text.partition("'")[0] or text


def _of_apostrophe(text: str) -> str:
    """ "man's" says whose; "it's" and "who's" are auxiliaries; "isn't" too."""
    start, _, end = text.partition("'")
    if word(start).kind == SKIP or end == "t" or start.endswith("n"):
        return AUXILIARY if end != "s" or word(start).kind == SKIP else ADJECTIVE
    return ADJECTIVE


def _settle(each: Word, index: int, words: list[Word], kinds: list[str]) -> str:
    """Noun, verb or adjective, by what stands before (already settled) and after."""
    before = kinds[index - 1] if index else ""
    after = kinds[index + 1] if index + 1 < len(kinds) else ""
    if each.verb is None or (each.kind == ADJECTIVE and not each.is_participle):
        return _adjective_or_noun(each, before, kinds[index + 1 : index + 3])
    if each.is_participle and each.verb != each.text:
        return _participle(each, index, words, kinds, before, after)
    return _finite(each, index, words, kinds, before, after)


def _adjective_or_noun(each: Word, before: str, after: list[str]) -> str:
    # "an orange on a plate", "an adult and a child"
    alone = not after or after[0] in (PREPOSITION, AUXILIARY, VERB)
    alone = alone or after == [CONJUNCTION, DETERMINER]
    if each.kind == ADJECTIVE and before in (DETERMINER, ADJECTIVE) and alone and each.noun:
        return NOUN
    return each.kind


def _participle(
    each: Word, index: int, words: list[Word], kinds: list[str], before: str, after: str
) -> str:
    """Of a word in -ing, -ed or -en."""
    if each.text in listed("nouns"):
        return NOUN
    heads = after in (NOUN, ADJECTIVE)
    previous = words[index - 1] if index else None
    if each.text in listed("nouns_in_ing"):
        is_verb = before == AUXILIARY or (before == NOUN and after == DETERMINER)
        return VERB if is_verb else NOUN
    if before == NOUN and heads and each.text in listed("joined_participles"):
        kinds[index - 1] = ADJECTIVE
        return ADJECTIVE
    if before in (DETERMINER, ADJECTIVE, PREPOSITION) and heads:
        return ADJECTIVE
    if not each.text.endswith("ing"):
        joined = index == 0 or before in (CONJUNCTION, VERB)
        return ADJECTIVE if joined and heads else VERB
    if before == DETERMINER and previous and previous.text not in PRONOUNS:
        return NOUN if after != DETERMINER else VERB
    follows = previous is not None and previous.verb in listed("postures")
    return ADJECTIVE if before == VERB and heads and not follows else VERB


def _finite(
    each: Word, index: int, words: list[Word], kinds: list[str], before: str, after: str
) -> str:
    """Of ride or rides, most of which are nouns as well."""
    passive = each.text in listed("invariable") and after in (PREPOSITION, "")
    if each.noun is None or (passive and before in (NOUN, AUXILIARY)):
        return VERB
    common = each.verb in listed("verbs")
    previous = words[index - 1].text if index else ""
    inflected = each.text != each.verb
    if previous == "to":
        infinitive = not inflected and common and after
        return VERB if infinitive else NOUN if inflected else each.kind
    if previous in PRONOUNS and inflected:
        return VERB if common else NOUN
    if before == NOUN or (before == SKIP and NOUN in kinds[:index]):
        return _after_noun(each, index, words, kinds, after)
    after_verb = before == CONJUNCTION and VERB in kinds[:index]
    return VERB if common and after_verb and after in (DETERMINER, PREPOSITION) else NOUN


def _after_noun(each: Word, index: int, words: list[Word], kinds: list[str], after: str) -> str:
    """A verb where it agrees with the noun before: a man rides, men ride, a man and a boy ride."""
    inflected = each.text != each.verb
    several = words[index - 1].is_plural or CONJUNCTION in kinds[max(0, index - 4) : index]
    agrees = several != inflected or kinds[index - 1] == SKIP
    if each.verb in listed("verbs"):
        return VERB if agrees or (inflected and after == PREPOSITION) else NOUN
    # "a bird pecks at fruit"; but "stop signs on"
    rare = inflected and after == PREPOSITION and dictionary().get(each.text, "VBZ") == "VBZ"
    rare = rare and each.text not in listed("nouns")
    return VERB if agrees and (after == DETERMINER or rare) else NOUN


def _join_adjectives(kinds: list[str]) -> None:
    """Skip what stands between adjectives of one noun: "white and gold toilet"."""
    for index in range(1, len(kinds) - 1):
        between = kinds[index - 1] == ADJECTIVE and kinds[index + 1] in (ADJECTIVE, NOUN)
        if kinds[index] == CONJUNCTION and between:
            kinds[index] = ADJECTIVE
