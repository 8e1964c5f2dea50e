"""Small valid files of results, boards, studies and estimates."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from reader_examples import KERNEL, contents, document, picture, text
from small_results import write_result

from blurbench.estimates.patches import EstimatedPair, KnownKernel, PatchKernel
from blurbench.estimates.record import FinishedPairs
from blurbench.files import json_document, sha256
from blurbench.ranking.submissions.entry import ENTRY, RowCheck, row_hash, write_checks
from blurbench_kernels.bank import GRID


@cache
def result() -> dict[str, bytes]:
    """The files of a result."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {"a": {"severity": 3.0, "groups": {"shot_type": "CU"}, "source": "s"}}
        return contents(write_result(Path(folder, "r"), "unet", {"a": 30.0, "b": 31.5}, rows=rows))


def study_run() -> dict[str, Any]:
    """run.json of a study's run."""
    counts = {"steps": 4, "samples": 8, "parameters": 100, "pairs": {"train": 4, "test": 6}}
    spent = {"minutes": 0.5, "scoring_minutes": 0.1, "beside": {}, "model": {"width": 4}}
    return {**counts, **spent, "digest": "d", "files": {}, "environment": {"torch": "2"}}


STUDY_CONFIG: dict[str, Any] = {"arm": "fast", "seed": 0, "scored": {"data": "photos"}}


@cache
def study() -> dict[str, bytes]:
    """The record of a study's run."""
    header = "id,source,severity,psnr,ssim,identity"
    return {
        "run.json": json_document(study_run()),
        "config.json": json_document(STUDY_CONFIG),
        "scores.csv": text(header, "a,s,3.5,30.1,0.9,24", "b,s,4,31,0.91,25")[0],
    }


BOARD_ROW = "results/crops-test/unet/"


@cache
def board() -> dict[str, bytes]:
    """A board of one row that stands on a zip of pictures, and was computed again."""
    entry = {"format": "blurbench board entry 1", "weights": None}
    entry["restored"] = {"sha256": "a" * 64, "place": "https://example.org/restored.zip"}
    with tempfile.TemporaryDirectory() as folder:
        row = Path(folder, BOARD_ROW)
        row.mkdir(parents=True)
        for name, data in {**result(), ENTRY: json_document(entry)}.items():
            (row / name).write_bytes(data)
        check = RowCheck(mark="re-scored", row=row_hash(row), compared=["psnr"])
        write_checks(Path(folder), {BOARD_ROW.strip("/"): check})
        return contents(Path(folder))


ESTIMATED = ("blur.png", "sharp.png")
ESTIMATE: dict[str, Any] = {"size": 3, "patch": 64, "digest": "d" * 64, "pairs": 1}


@cache
def estimated() -> dict[str, bytes]:
    """A pair with a kernel, and the line that tells it."""
    files = dict(zip(ESTIMATED, picture("png"), strict=True))
    units = (KERNEL * GRID).astype(int).tolist()
    kernel = KnownKernel(units, (0, 1), 1e-3, 0.5, 0.01, 0.99)
    patches = [PatchKernel(0, 0, 9, 12, "kept", kernel), PatchKernel(9, 0, 9, 12, "flat", None)]
    with tempfile.TemporaryDirectory() as folder:
        hashes = [sha256(each) for each in files.values()]
        FinishedPairs(Path(folder)).add(EstimatedPair("test/a", *hashes, patches))
        return {**files, **contents(Path(folder))}


def caption_summaries() -> list[bytes]:
    """Of a captioner's result."""
    data = {"recipe": "crops", "split": "test", "digest": "d" * 64, "images": 2}
    head = {"model": "nic", "data": data, "protocol": "captions", "means": {"cider": 0.5}}
    return document({**head, "weights": "w", "tokenizer": "ptb"})


def boards() -> list[bytes]:
    """Scores by picture, with and without the board's name, and a leaderboard.csv."""
    digest = "d" * 64
    line = f"other,crops,test,{digest},wang-rgb,2,30.5,29,31"
    return [
        *text("model,id,psnr", "other,a,30.25", "other,b,31"),
        *text("model,id,digest,protocol,psnr", f"other,a,{digest},wang-rgb,30.25"),
        *text("model,recipe,split,digest,protocol,images,psnr_mean,psnr_low,psnr_high", line),
    ]
