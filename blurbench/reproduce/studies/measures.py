"""Other numbers of test pictures than PSNR: squares found (BRMR), captions written (S3E-Deblur)."""

from collections.abc import Callable
from typing import Any

from blurbench.captions import score
from blurbench.datasets.dataset import BlurDataset
from blurbench.ranking.statistics import Scores
from blurbench.reproduce.studies.bench import TEST, Bench
from blurbench.reproduce.studies.records import told
from blurbench.reproduce.studies.study import Arm, Measure
from blurbench.runs.load import load_checkpoint
from blurbench.scoring.captions import write_captions
from blurbench.scoring.restorers import Identity


def score_rows(bench: Bench, measure: Measure, arm: Arm, seed: int) -> list[dict[str, Any]]:
    """Rows of scores.csv; UserError where the pictures do not have what it takes."""
    folder = bench.measured_on(measure.name) if measure.data else bench.data_folder
    pictures = BlurDataset(folder, TEST)
    sources = {row["id"]: row.get("source") or row["id"] for row in pictures.rows}
    values = MEASURES[measure.name](bench, pictures, arm, seed)
    return [
        told({"id": id, "source": sources[id], measure.name: value}) for id, value in values.items()
    ]


def squares(bench: Bench, pictures: BlurDataset, arm: Arm, seed: int) -> Scores:
    """IoU of the blurred square and the one that the run's discriminator finds, from 0 to 1."""
    weights, name = bench.weights(arm, seed), f"{arm.name}-{seed}"
    found = bench.evaluate(pictures, Identity(), name, ("region-iou",), detector=str(weights))
    return {each.id: each.metrics["region-iou"] or 0.0 for each in found}


def captions(bench: Bench, pictures: BlurDataset, arm: Arm, seed: int) -> Scores:
    """CIDEr of the sentence that the run writes of each picture, from 0 to 10; no Java."""
    wanted = {row["id"]: row["captions"] for row in pictures.rows if row.get("captions")}
    written = write_captions(
        pictures, load_checkpoint(bench.weights(arm, seed), bench.device), wanted
    )
    rows = score(wanted, written, ("cider",), tokenizer="python").rows
    return {row["image"]: row["CIDEr"] for row in rows}


MEASURES: dict[str, Callable[[Bench, BlurDataset, Arm, int], Scores]] = {
    "iou": squares,
    "cider": captions,
}
