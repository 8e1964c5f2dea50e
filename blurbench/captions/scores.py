"""How well captions agree with people's: COCO's caption scores, each by pycocoevalcap's scorer."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurbench.captions import meteor, spice, words
from blurbench.captions.java import Java, Missing, find_java
from blurbench.errors import UserError

COLUMNS = {
    "bleu": ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"),
    "meteor": ("METEOR",),
    "rouge": ("ROUGE-L",),
    "cider": ("CIDEr",),
    "spice": ("SPICE",),
}
TOKENIZERS = ("auto", "ptb", "python")
HEAP = re.compile(r"[1-9]\d*[kKmMgG]")
FEW = 100  # images, below which CIDEr's weights of words mean little

Values = tuple[float, Sequence[float]]  # over all images, and of each


@dataclass
class CaptionScores:
    """What was measured, of how many images, and what could not be had."""

    scores: dict[str, float | None] = field(default_factory=dict)  # CIDEr 0 to 10, others 0 to 1
    missing: dict[str, str] = field(default_factory=dict)  # score -> why it is None
    images: int = 0
    tokenizer: str = "python"
    java: str | None = None
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)  # one an image


@dataclass(frozen=True)
class _Tools:
    """What the scorers run with."""

    java: Java | Missing
    timeout: float
    heap: str | None
    spice_home: Path | None

    def need_java(self) -> Java:
        if isinstance(self.java, Missing):
            raise self.java
        return self.java


@dataclass(frozen=True)
class _Asked:
    """Captions in words, image by image in the same order."""

    references: list[list[str]]
    hypotheses: list[str]
    tools: _Tools


def score(
    references: Mapping[Any, Sequence[str]],
    hypotheses: Mapping[Any, str],
    metrics: Sequence[str] = tuple(COLUMNS),
    *,
    tokenizer: str = "auto",
    timeout: float = 1800,
    heap: str | None = None,
    spice_home: Path | None = None,
) -> CaptionScores:
    """COCO's scores of one caption an image against its references, by image id.

    `metrics` are keys of COLUMNS. `tokenizer` ptb needs Java, python is within 5e-4 of it, auto
    takes the best there is. `timeout` is in seconds, for each scorer; `heap` is the memory of a
    Java scorer (METEOR takes 2G, SPICE 8G). What needs Java or a missing jar is None, and
    `missing` says why. Images without a caption are left out, and counted in `notes`. UserError
    names an image that has no reference.
    """
    if heap is not None and not HEAP.fullmatch(heap):
        raise UserError(f"heap {heap!r}: give a number and a unit, as in 4G or 800M")
    _check(references, hypotheses, metrics, tokenizer)
    # In the order of the references: the rows of all models line up.
    ids = [id for id in references if id in hypotheses]
    found = CaptionScores(images=len(ids), rows=[{"image": id} for id in ids])
    tools = _Tools(_java(), timeout, heap, spice_home)
    found.java = None if isinstance(tools.java, Missing) else tools.java.version
    # One run of the tokenizer for all.
    texts = [text for id in ids for text in (hypotheses[id], *references[id])]
    split = iter(_split(texts, tokenizer, tools, found))
    captions = [[next(split) for _ in range(1 + len(references[id]))] for id in ids]
    asked = _Asked([each[1:] for each in captions], [each[0] for each in captions], tools)
    for metric in metrics:
        _measure(metric, asked, found)
    _note(len(references) - len(ids), found)
    return found


def _check(
    references: Mapping[Any, Sequence[str]],
    hypotheses: Mapping[Any, str],
    metrics: Sequence[str],
    tokenizer: str,
) -> None:
    unknown = [metric for metric in metrics if metric not in COLUMNS]
    if unknown:
        raise UserError(f"no caption score {unknown[0]!r}; there are {', '.join(COLUMNS)}")
    if tokenizer not in TOKENIZERS:
        raise UserError(f"no tokenizer {tokenizer!r}; there are {', '.join(TOKENIZERS)}")
    if not hypotheses:
        raise UserError("no captions to score")
    for id, caption in hypotheses.items():
        if not isinstance(caption, str):
            raise UserError(f"image {id}: give one caption, a text")
        several = references.get(id)
        if not several or isinstance(several, str):
            raise UserError(f"image {id}: has a caption, but no list of references")
        if not all(isinstance(each, str) for each in several):
            raise UserError(f"image {id}: a reference is no text")


def _java() -> Java | Missing:
    try:
        return find_java()
    except Missing as missing:
        return missing


def _split(texts: list[str], tokenizer: str, tools: _Tools, found: CaptionScores) -> list[str]:
    if tokenizer != "python":
        try:
            split = words.tokenize_all(texts, tools.need_java(), tools.timeout)
            found.tokenizer = "ptb"
            return split
        except Missing as missing:
            if tokenizer == "ptb":
                raise UserError(f"tokenizer ptb: {missing}") from None
            found.notes.append(f"words split without PTBTokenizer: {missing}")
    return [words.tokenize(words.clean(text)) for text in texts]


def _measure(metric: str, asked: _Asked, found: CaptionScores) -> None:
    columns = COLUMNS[metric]
    try:
        values = SCORERS[metric](asked)
    except Missing as missing:
        found.scores |= dict.fromkeys(columns)
        found.missing |= dict.fromkeys(columns, str(missing))
        for row in found.rows:
            row |= dict.fromkeys(columns)
        return
    for column, (overall, each) in zip(columns, values, strict=True):
        found.scores[column] = float(overall)
        for row, value in zip(found.rows, each, strict=True):
            row[column] = None if math.isnan(value) else float(value)


def _note(left_out: int, found: CaptionScores) -> None:
    if left_out:
        found.notes.append(f"images of the references without a caption, left out: {left_out}")
    if found.scores.get("CIDEr") is not None and found.images < FEW:
        found.notes.append(
            f"CIDEr weighs words by how many of the {found.images} images have them: "
            f"below {FEW} images it says little"
        )


def _as_dicts(asked: _Asked) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """As pycocoevalcap takes them."""
    return dict(enumerate(asked.references)), {
        index: [text] for index, text in enumerate(asked.hypotheses)
    }


def _bleu(asked: _Asked) -> list[Values]:
    from pycocoevalcap.bleu.bleu import Bleu

    overall, each = Bleu(4).compute_score(*_as_dicts(asked), verbose=0)
    return list(zip(overall, each, strict=True))


def _rouge(asked: _Asked) -> list[Values]:
    from pycocoevalcap.rouge.rouge import Rouge

    return [Rouge().compute_score(*_as_dicts(asked))]


def _cider(asked: _Asked) -> list[Values]:
    from pycocoevalcap.cider.cider import Cider

    if len(asked.hypotheses) < 2:
        raise Missing(
            "CIDEr of one image is 0 whatever its caption: words get their weight from others"
        )
    if not any(text for several in asked.references for text in several):
        raise Missing("no reference has a word")
    return [Cider().compute_score(*_as_dicts(asked))]


def _meteor(asked: _Asked) -> list[Values]:
    tools = asked.tools
    process = meteor.warm(tools.need_java(), tools.heap or "2G")
    return [process.score(asked.references, asked.hypotheses, tools.timeout)]


def _spice(asked: _Asked) -> list[Values]:
    tools = asked.tools
    scorer = spice.Spice(tools.need_java(), spice.find_jars(tools.spice_home), tools.heap or "8G")
    return [scorer.score(asked.references, asked.hypotheses, tools.timeout)]


SCORERS = {"bleu": _bleu, "meteor": _meteor, "rouge": _rouge, "cider": _cider, "spice": _spice}
