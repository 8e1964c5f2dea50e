"""SPICE 1.0: needs two jars that its authors do not ship, and that are never downloaded here."""

import json
import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from blurbench.captions.java import Java, Missing, last_line, scorer_folder
from blurbench.errors import UserError
from blurbench.schemas import read_as
from blurbench.weights.places import Needed, how

CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
ARCHIVE = "stanford-corenlp-full-2015-12-09.zip"


def find_jars(home: Path | None) -> list[Path]:
    """SPICE's jars and CoreNLP's: in `home`, or in pycocoevalcap/spice/lib."""
    folder = scorer_folder("spice")
    library = folder / "lib"
    for jars in (home, library) if home else (library,):
        found = [jars / name for name in CORENLP]
        if all(path.exists() for path in found):
            whole = [Needed("SPICE", path, "corenlp").read_from() for path in found]
            return [folder / "spice-1.0.jar", *sorted(library.glob("*.jar")), *whole]
    wanted = f"{' and '.join(CORENLP)} of {ARCHIVE}"
    place = home or "pycocoevalcap/spice/lib"  # not the whole path: results carry this sentence
    raise Missing(
        f"{wanted} are not in {place}; {how('corenlp')}, or name their folder: --spice-home"
    )


@dataclass(frozen=True)
class Spice:
    """The scorer.

    Without its cache, whose database is what fails on Java 16 and later and on Apple silicon.
    """

    java: Java
    jars: list[Path]
    heap: str = "8G"

    def score(
        self, references: Sequence[Sequence[str]], hypotheses: Sequence[str], timeout: float
    ) -> tuple[float, list[float]]:
        """The mean over images, and of each; raises Missing where the jars fail."""
        pairs = zip(references, hypotheses, strict=True)
        asked = [
            {"image_id": index, "test": caption, "refs": list(several)}
            for index, (several, caption) in enumerate(pairs)
        ]
        # pycocoevalcap's own wrapper works in site-packages, which may be read-only.
        with tempfile.TemporaryDirectory(prefix="blurbench-spice-") as folder:
            command = [
                *self.java.command(self.jars, "edu.anu.spice.SpiceScorer", self.heap),
                "asked.json",
            ]
            (Path(folder) / "asked.json").write_text(json.dumps(asked))
            _run([*command, "-out", "scores.json", "-subset", "-silent"], folder, timeout)
            answers = _answers(Path(folder) / "scores.json")
        by_index = {answer["image_id"]: answer["scores"]["All"]["f"] for answer in answers}
        each = [float(by_index.get(index, math.nan)) for index in range(len(asked))]
        mean = math.fsum(each) / len(each)
        if math.isnan(mean):
            raise Missing("SPICE gave no number for some images")
        return mean, each


class _F(TypedDict):
    f: float


class _Scores(TypedDict):
    All: _F


class _Answer(TypedDict):
    image_id: int
    scores: _Scores


def _answers(path: Path) -> list[_Answer]:
    try:
        return read_as(list[_Answer], path)
    except UserError as error:
        raise Missing(str(error)) from None


def _run(command: list[str], folder: str, timeout: float) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Missing(f"SPICE took more than {timeout:g} s") from None
    if done.returncode or not (Path(folder) / "scores.json").exists():
        said = last_line(done.stderr.decode(errors="replace"))
        raise Missing(f"SPICE failed: {said}")
