"""Captions as the words that are scored: what PTBTokenizer of CoreNLP 3.4.1 makes of a sentence.

Without Java its rules for plain sentences are followed here.
"""

import re
import subprocess

from blurbench.captions.java import Java, Missing, last_line, scorer_folder

# Tokens that pycocoevalcap leaves out. "!!" is none of them, nor is "-lrb-" in small letters.
MARKS = (".", "?", "!", ",", ":", "-", "--", "...", ";")
PUNCTUATION = frozenset({"''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *MARKS})
ABBREVIATIONS = (
    "mr|mrs|ms|dr|st|mt|ft|jr|sr|vs|etc|inc|co|corp|ltd|ave|blvd|rd|no|prof|gen|sgt|capt|"
    "jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec"
)
# Of 10,010 COCO captions 10,008 come out as from PTBTokenizer itself.
TOKEN = re.compile(
    rf"""
      https?://\S+ | [\w.+-]+@\w+(?:\.\w+)+               # addresses
    | </?[a-z][^<>]*>
    | [:;=]-?[()]                                         # :-)
    | '\d\ds?\b                                           # '90s
    | (?:{ABBREVIATIONS})\.(?!\w) | [a-z](?:\.[a-z])+\.(?!\w) | (?-i:\b[A-Z])\.(?!\w)
    | \d+(?:[.,:/]\d+)+                                   # 3,000 10:30
    | (?:can(?=not\b)|gon(?=na\b)|got(?=ta\b)|wan(?=na\b)|gim(?=me\b)|lem(?=me\b))
    | \w+?(?=n't\b) | n't\b
    | '(?:s|m|d|re|ve|ll)\b | 'n'(?!\w) | 't(?=is\b|was\b)
    | '(?:till?|em|cause)\b | (?:s'mores|c'mon|li'l|nor'easter)\b
    | [odl]'[a-z]+ | ma'am\b | y'all\b
    | (?-i:[A-Z]+&[A-Z]+)\b
    | [@#][a-z]\w*
    | (?:\w+(?:[-/.]\w+)+ | \w+)                          # and/or, t-shirt, end.next
    | \.\.\. | [?!]+ | -{{2,}} | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What PTBTokenizer writes in other letters.
CURLY = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..."}
    | {"½": "1/2", "¼": "1/4", "¾": "3/4", "£": "#", "€": "$", "¢": " cents", "\u00ad": ""}
)
BRACKETS = str.maketrans(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
)


def clean(text: str) -> str:
    """On one line: PTBTokenizer ends one at U+2028 and \\r too, which shifts all that follow.

    Half a surrogate pair, as cut emoji leave it in JSON, becomes "?": no program takes it.
    """
    return " ".join(text.split()).encode(errors="replace").decode()


def without_punctuation(tokens: list[str]) -> str:
    """The words that count, with blanks between."""
    return " ".join(token for token in tokens if token not in PUNCTUATION)


def tokenize(text: str) -> str:
    """The words of one caption, without Java."""
    found = TOKEN.findall(text.translate(CURLY).replace('"', " '' "))
    tokens = " ".join(found).lower().translate(BRACKETS).split(" ")
    return without_punctuation(tokens)


def tokenize_all(texts: list[str], java: Java, timeout: float) -> list[str]:
    """The same of many captions by PTBTokenizer itself; raises Missing where that fails."""
    jar = scorer_folder("tokenizer") / "stanford-corenlp-3.4.1.jar"
    command = java.command([jar], "edu.stanford.nlp.process.PTBTokenizer", "1G")
    lines = "".join(f"{clean(text)}\n" for text in texts)
    try:
        done = subprocess.run(
            [*command, "-preserveLines", "-lowerCase"],
            input=lines.encode(),
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"PTBTokenizer took more than {timeout:g} s") from None
    # Counted below: one line too many would shift all captions that follow by one.
    found = done.stdout.decode().split("\n")[:-1]
    if done.returncode or len(found) != len(texts):
        said = last_line(done.stderr.decode(errors="replace"))
        raise Missing(f"PTBTokenizer gave {len(found)} lines for {len(texts)} ({said})")
    return [without_punctuation(line.rstrip().split(" ")) for line in found]
