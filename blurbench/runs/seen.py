"""What the weights of a run have seen: the sharp sources it learnt from, by hashes of files.

RUN/sources.txt.gz has a line a source: its SHA-256, and how it was seen. config.json has the hash
of these lines and their counts alone: it could not be read with 1.7 million of them, or 60 MB.
"""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import read_regular, sha256, write_bytes
from blurbench.runs.folder import BEST, LAST, SOURCES, SourcesOfRun, read_config, weights_file
from blurbench.runs.own_weights import refuse_foreign
from blurbench.weights.shipped import is_shipped, lies

LARGEST = 2**28  # bytes of the lines: 3.7 million sources


@dataclass(frozen=True)
class Seen:
    """What some weights have seen."""

    # SHA-256 -> "train": the run learnt from it; "init": the weights that it began with had;
    # "val": the best weights were chosen by it.
    sources: Mapping[str, str]
    init_unknown: bool = False  # nobody knows what the weights that it began with had seen


def seen_by(trained: Collection[str], validated: Collection[str], before: Seen | None) -> Seen:
    """What a run sees; `before`: what the weights that it begins with had, where there are any."""
    old = before.sources if before else {}
    learnt = [source for source, how in old.items() if how != "val"]
    # Of several ways the strongest is kept: it comes last.
    sources = dict.fromkeys((*old, *validated), "val")
    sources |= dict.fromkeys(learnt, "init") | dict.fromkeys(trained, "train")
    return Seen(sources, before is not None and before.init_unknown)


def write_seen(run: Path, seen: Seen) -> SourcesOfRun:
    """Write RUN/sources.txt.gz; gives what config.json tells of it."""
    text = "".join(f"{source} {how}\n" for source, how in sorted(seen.sources.items())).encode()
    write_bytes(run / SOURCES, gzip.compress(text, mtime=0))  # no time: the same bytes again
    counts = Counter(seen.sources.values())
    # Of the text: the bytes of the file hang on the version of zlib.
    told: SourcesOfRun = {"sha256": sha256(text), "train": counts["train"], "val": counts["val"]}
    if seen.init_unknown or counts["init"]:
        told["init"] = None if seen.init_unknown else counts["init"]
    return told


def read_seen(weights: Path) -> Seen:
    """What a run, a run's file of weights, or weights that ship have seen.

    UserError with no path where unknown.
    """
    if is_shipped(weights):
        return _read_shipped(str(weights))
    run = weights if weights.is_dir() else weights.parent
    own = weights.is_dir() or weights.name in (BEST, LAST)
    try:
        config = read_config(run) if own else None
        refuse_foreign(weights_file(weights))
    except UserError:  # which names a path
        config = None
    if config is None:
        raise UserError("weights of no run tell no sources")
    told = config["data"].get("sources")
    if told is None:
        raise UserError("its run was begun before runs recorded their sources")
    text = _unpacked(run / SOURCES)
    if not isinstance(told, dict) or sha256(text) != told.get("sha256"):
        raise UserError(f"{SOURCES} of its run is missing or damaged")
    return Seen(_ways(text), told.get("init", 0) is None)


def _read_shipped(name: str) -> Seen:
    """What weights that ship have seen; it lies beside them."""
    if not (found := _ways(_unpacked(lies(f"{name}.{SOURCES}")))):
        raise UserError("these weights came without their sources")
    return Seen(found)


def _unpacked(path: Path) -> bytes:
    """The text of a file of sources; none where it is missing, damaged, no file or too long."""
    try:
        packed = io.BytesIO(read_regular(path, most=LARGEST))
        with gzip.GzipFile(fileobj=packed) as file:  # zeros pack a thousandfold
            text = file.read(LARGEST + 1)
    except (OSError, UserError, EOFError, zlib.error):
        return b""
    return text if len(text) <= LARGEST else b""


def _ways(text: bytes) -> dict[str, str]:
    """SHA-256 -> how it was seen."""
    lines = text.decode(errors="replace").splitlines()
    return dict(line.partition(" ")[::2] for line in lines)
