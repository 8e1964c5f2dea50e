"""Run folders without a training: config.json and log.jsonl as `train` writes them."""

import json

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


def write_run(folder, rows=LOG, **changes):
    """A run folder of these rows; gives its path."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
