"""Caption scores: equal to pycocoevalcap's own, with Java and without."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from blurbench.captions import scores, words
from blurbench.captions.java import Java, scorer_folder
from blurbench.captions.scores import score
from blurbench.errors import UserError

SHARED = os.environ.get("BLURBENCH_SHARED")
COCO = Path(SHARED or "") / "data" / "coco"

REFERENCES = {
    "a": ["A man rides a brown horse.", "Someone is on a horse near the sea"],
    "b": ["Two dogs can't reach the ball!", "the dogs' ball is (too) high"],
    "c": ["A bowl of fruit, on a table.", "There is fruit in a bowl"],
}
CAPTIONS = {"a": "a man on a horse", "b": "two dogs and a ball", "c": "fruit in a white bowl"}
# What pycocoevalcap 1.2 gives with its own wrappers on Java 17: PTBTokenizer().tokenize of both,
# then compute_score of Bleu(4), Meteor(), Rouge() and Cider().
NAMES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")
WANTED = dict(
    zip(
        NAMES,
        (0.61274267, 0.48441561, 0.34182511, 0.00004752, 0.25801407, 0.63883206, 1.99999984),
        strict=True,
    )
)
# The same on real captions: the first of each image against its others; another's 62 captions.
REAL = {
    "first": [0.63328382, 0.43619229, 0.2927738, 0.19287777, 0.24213531, 0.47115721, 0.89906109],
    "fakecap": [0.5757444, 0.40972415, 0.29258381, 0.20731780, 0.19564357, 0.40469426, 0.66954604],
}
IMAGES = {"first": 2000, "fakecap": 62}


def real(name: str) -> tuple[dict[int, list[str]], dict[int, str]]:
    references: dict[int, list[str]] = {}
    for each in json.loads((COCO / "captions_val2017_subset2000.json").read_text())["annotations"]:
        references.setdefault(each["image_id"], []).append(each["caption"])
    if name == "first":
        return (
            {id: several[1:] for id, several in references.items()},
            {id: several[0] for id, several in references.items()},
        )
    results = json.loads((COCO / "results_fakecap2014_overlap.json").read_text())
    return references, {each["image_id"]: each["caption"] for each in results}


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_equals_pycocoevalcap() -> None:
    found = score(REFERENCES, CAPTIONS)
    assert found.tokenizer == "ptb"
    assert {name: found.scores[name] for name in WANTED} == pytest.approx(WANTED, abs=1e-8)


@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.skipif(not SHARED, reason="needs the captions in BLURBENCH_SHARED")
@pytest.mark.parametrize("name", REAL)
def test_real_captions_equal_pycocoevalcap(name: str) -> None:
    references, captions = real(name)
    wanted = dict(zip(NAMES, REAL[name], strict=True))
    found = score(references, captions)
    assert found.images == IMAGES[name]
    assert {key: found.scores[key] for key in wanted} == pytest.approx(wanted, abs=1e-6)
    without = score(references, captions, ("bleu", "rouge", "cider"), tokenizer="python")
    wanted.pop("METEOR")
    assert without.scores == pytest.approx(wanted, abs=5e-4)


@pytest.mark.usefixtures("no_java")
def test_without_java() -> None:
    found = score(REFERENCES, CAPTIONS)
    assert found.tokenizer == "python"
    assert found.java is None
    for name in ("BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr"):
        assert found.scores[name] == pytest.approx(WANTED[name], abs=1e-8)
    for name in ("METEOR", "SPICE"):  # never 0
        assert found.scores[name] is None
        assert found.rows[0][name] is None
        assert "no Java" in found.missing[name]
    with pytest.raises(UserError, match="tokenizer ptb: no Java"):
        score(REFERENCES, CAPTIONS, tokenizer="ptb")


SPLIT = {
    "A man can't reach the dogs' ball...": "a man ca n't reach the dogs ball",
    "“It’s 7 o'clock”, (at 10:30am)": "it 's 7 o'clock -lrb- at 10:30 am -rrb-",
    "Dr. Who and/or a t-shirt — no!! St. 3,000": "dr. who and/or a t-shirt no !! st. 3,000",
    "cannot & gonna AT&T, $5 #1": "can not & gon na at&t $ 5 # 1",
    "end.Next end. Next": "end.next end next",
    "hors d'oeuvres 'til the '90s": "hors d'oeuvres 'til the '90s",
    "'rock 'n' roll' s'mores 5'": "rock 'n' roll s'mores 5",
    "": "",
}


def test_words_without_java() -> None:
    assert {text: words.tokenize(text) for text in SPLIT} == SPLIT


def test_words_with_java(java: Java) -> None:
    before = set(scorer_folder("tokenizer").iterdir())
    found = words.tokenize_all(list(SPLIT), java, 60)
    assert dict(zip(SPLIT, found, strict=True)) == SPLIT
    assert set(scorer_folder("tokenizer").iterdir()) == before  # it may be read-only


def test_cider_of_one_image_is_no_score() -> None:
    found = score(REFERENCES, {"a": "A man rides a brown horse."}, ("cider",), tokenizer="python")
    assert found.images == 1
    assert found.scores["CIDEr"] is None
    assert "one image" in found.missing["CIDEr"]
    assert found.notes == ["images of the references without a caption, left out: 2"]


def test_cider_of_few_images_is_noted_and_of_no_words_is_none() -> None:
    found = score(REFERENCES, CAPTIONS, ("cider",), tokenizer="python")
    assert "3 images" in found.notes[0]
    empty = score({"a": ["."], "b": [""]}, {"a": "x", "b": "y"}, ("cider",), tokenizer="python")
    assert empty.missing["CIDEr"] == "no reference has a word"


@pytest.mark.slow
def test_an_empty_caption_has_scores() -> None:
    found = score(REFERENCES, CAPTIONS | {"a": ""}, tokenizer="python")
    assert found.rows[0]["BLEU-1"] == pytest.approx(0, abs=1e-6)
    assert found.rows[0]["ROUGE-L"] == 0
    assert found.rows[0]["CIDEr"] == 0
    assert found.rows[0]["METEOR"] in (0, None)


def test_double_marks_are_words() -> None:
    """pycocoevalcap leaves out single marks only."""
    assert words.tokenize("Stop! Now!! A dog , ; -- ...") == "stop now !! a dog"


def test_what_cannot_be_scored() -> None:
    cases: list[tuple[Any, Any, str]] = [
        (REFERENCES, {}, "no captions"),
        (REFERENCES, {"z": "a"}, "image z"),
        ({"a": []}, {"a": "a"}, "image a"),
        ({"a": "a dog"}, {"a": "a"}, "image a"),
        (REFERENCES, {"a": ["a", "b"]}, "image a: give one caption"),
        ({"a": ["a dog", float("nan")]}, {"a": "a"}, "image a: a reference is no text"),
    ]
    for references, captions, message in cases:
        with pytest.raises(UserError, match=message):
            score(references, captions)
    with pytest.raises(UserError, match="bleurt"):
        score(REFERENCES, CAPTIONS, ("bleurt",))
    with pytest.raises(UserError, match="moses"):
        score(REFERENCES, CAPTIONS, tokenizer="moses")
    for heap in ("lots", "0G", "4"):
        with pytest.raises(UserError, match=f"heap '{heap}'"):
            score(REFERENCES, CAPTIONS, heap=heap)


def test_scores_are_plain_numbers() -> None:
    found = score(REFERENCES, CAPTIONS, ("bleu", "rouge", "cider"), tokenizer="python")
    assert {type(value) for value in found.scores.values()} == {float}
    json.dumps(found.rows, allow_nan=False)


def test_the_table_of_scorers_is_whole() -> None:
    assert list(scores.SCORERS) == list(scores.COLUMNS)
