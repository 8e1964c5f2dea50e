"""A tiny data set on disk, results without pictures behind them, runs without a training."""

import json

import numpy as np
from skimage import data

from blurbench.datasets.format import Description, digest_of, pixel_hash
from blurbench.files import sha256, write_bytes, write_json, write_jsonl
from blurbench.images import encode

# config.json and log.jsonl as `train` writes them.
CONFIG = {
    "model": "unet",
    "preset": "tiny",
    "config": {},
    "steps": 40,
    "seed": 0,
    "data": {"digest": "d" * 64, "recipe": "demo"},
}
LOG = [
    {"step": 0, "stage": "identity", "psnr": 24.0},
    *(
        {"step": step, "stage": "unet", "loss": 1 / step, "seconds_per_step": 3.0}
        | {"cpu_seconds_per_step": 6.0}
        for step in (10, 20, 30, 40)
    ),
    {"step": 20, "stage": "validation", "psnr": 25.5},
    {"step": 40, "stage": "validation", "psnr": 25.25},
]


def write_data_set(folder, count=10, split="test"):
    """Pairs of 20x24 px: crops of a photograph, and the same averaged over three columns."""
    photograph, rows = data.astronaut(), []
    for index in range(count):
        sharp = photograph[30 * index : 30 * index + 20, 200:224]
        blur = np.stack([np.roll(sharp, step, axis=1) for step in (-1, 0, 1)]).mean(axis=0)
        pair = {"blur": blur.astype(np.uint8), "sharp": sharp}
        row = {"id": f"crop-{index}", "width": 24, "height": 20}
        row |= {"kernel_family": "line", "severity_mean_px": 3.0}
        for role, image in pair.items():
            encoded = encode(image)
            row[f"{role}_file_name"] = f"{role}/crop-{index}.png"
            row[f"{role}_pixels"] = pixel_hash(image)
            row[f"{role}_sha256"] = sha256(encoded)
            write_bytes(folder / split / row[f"{role}_file_name"], encoded)
        rows.append(row)
    write_jsonl(folder / split / "metadata.jsonl", rows)
    description = Description(
        recipe={"name": "crops"},
        seed=0,
        limit=None,
        image_format="png",
        blurbench="0",
        made_with={},
        source={},
        counts={split: count},
        failed=0,
        metadata_sha256={split: sha256((folder / split / "metadata.jsonl").read_bytes())},
        digest=digest_of((split, row) for row in rows),
    )
    write_json(folder / "dataset.json", description.model_dump())
    return folder


def write_result(folder, model, psnr, **changes):
    """A RESULT folder of the given PSNR by picture id; `changes` go into its summary.

    `rows` (picture id -> more columns) go into its rows.
    """
    more = changes.pop("rows", {})
    summary = {
        "model": model,
        "restored_by": "model",
        "data": {"recipe": "crops", "split": "test", "digest": "d" * 64, "images": len(psnr)},
        "protocol": "wang-rgb",
        "metrics": ["psnr"],
        "provenance": {},
        "complete": True,
        "milliseconds_median": None,
        "samples": [],
        "skipped": [],
        "environment": {},
        **changes,
    }
    rows = [
        {
            "model": model,
            "data": summary["data"]["digest"],
            "split": summary["data"]["split"],
            "protocol": summary["protocol"],
            "id": name,
            "metrics": {"psnr": value},
            **more.get(name, {}),
        }
        for name, value in psnr.items()
    ]
    write_jsonl(folder / "results.jsonl", rows)
    write_json(folder / "summary.json", summary)
    return folder


def write_run(folder, rows=LOG, **changes):
    """A run folder of these rows; gives its path."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
