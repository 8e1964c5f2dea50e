"""S3E-Deblur with and without co-training, and captioners, in tables like the paper's 1 and 3.

    python benchmarks/s3e.py --data DIR --out OUT [--preset tiny] [--steps N] [--caption-steps N]
        [--inputs blur sharp]

Trains what is not trained yet below OUT/runs, scores it, writes OUT/table.md and OUT/table.json.
"""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blurbench.captions import score, words
from blurbench.datasets.dataset import BlurDataset
from blurbench.files import read_json
from blurbench.inference.captions import generate
from blurbench.runs.folder import read_config
from blurbench.runs.load import load_run
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.nodes import node_accuracy
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, Restorer, trained
from blurbench.training.train import train

TREES = ("s3e", "s3e-frozen", "s3e-imc", "vp-tree")
CAPTIONERS = ("s3e-imc", "nic", "toronto", "topdown", "vp-tree")
COLUMNS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr", "METEOR", "ROUGE-L", "SPICE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--caption-steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--captioners", nargs="*", default=CAPTIONERS, choices=CAPTIONERS)
    parser.add_argument("--inputs", nargs="*", default=["blur"], choices=["blur", "sharp"])
    asked = parser.parse_args()
    runs = train_all(asked)
    found = {
        "data": BlurDataset(asked.data, "train").digest,
        "pictures": {split: len(BlurDataset(asked.data, split)) for split in ("train", "test")},
        "settings": {name: settings(run) for name, run in runs.items()},
        "psnr": restored(asked, runs),
        "captions": {split: described(asked, runs, split) for split in ("train", "test")},
        "nodes": {split: nodes(asked, runs, split) for split in ("train", "test")},
    }
    (asked.out / "table.json").write_text(json.dumps(found, indent=2))
    text = "\n\n".join(tables(found))
    (asked.out / "table.md").write_text(text + "\n")
    print(text)


def train_all(asked: argparse.Namespace) -> dict[str, Path]:
    """Folders of finished runs: S3E-Deblur with and without co-training, and the captioners."""
    frozen = "frozen" if asked.preset == "paper" else f"{asked.preset}-frozen"
    plan = [("s3e", "s3e", asked.preset, asked.steps), ("s3e-frozen", "s3e", frozen, asked.steps)]
    plan += [
        (name if kind == "blur" else f"{name}-{kind}", name, asked.preset, asked.caption_steps)
        for kind in asked.inputs
        for name in asked.captioners
    ]
    runs = {}
    for folder, model, preset, steps in plan:
        runs[folder] = asked.out / "runs" / folder
        options: dict[str, Any] = {"preset": preset, "steps": steps, "seed": asked.seed}
        if folder.endswith("-sharp"):
            options["overrides"] = {"input": "sharp"}
        print(train(model, asked.data, runs[folder], resume=True, **options))
    return runs


def settings(run: Path) -> dict[str, Any]:
    """What a reader must know of a run."""
    config = read_config(run)
    kept = ("resnet", "resnet_weights", "batch_size", "crop_size", "side")
    return {"steps": config["steps"], **{name: config["config"][name] for name in kept}}


def restored(asked: argparse.Namespace, runs: dict[str, Path]) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of the test split."""
    restorers: list[Restorer] = [Identity()]
    restorers += [trained(runs[name], name, None) for name in ("s3e", "s3e-frozen")]
    found, pairs = {}, open_data(asked.data)
    for restorer in restorers:
        out = asked.out / "results" / restorer.name
        found[restorer.name] = evaluate(pairs, out, restore=restorer, name=restorer.name).means
    return found


def described(
    asked: argparse.Namespace, runs: dict[str, Path], split: str
) -> dict[str, dict[str, float | None]]:
    """Caption scores of every run, and of always saying the commonest caption."""
    out = asked.out / "captions" / split
    generate(asked.data, tuple(runs.values()), out, split=split)
    references = read_json(out / "references.json")
    said = {name: read_json(out / f"{name}.json") for name in runs}
    common = commonest(BlurDataset(asked.data, "train").captions())
    said["commonest caption"] = dict.fromkeys(references, common)
    return {name: score(references, found).scores for name, found in said.items()}


def commonest(captions: list[list[str]]) -> str:
    """The most frequent sentence; of equals, the one whose words are the most frequent."""
    sentences = [words.tokenize(text) for each in captions for text in each]
    times, counts = Counter(sentences), Counter(w for s in sentences for w in s.split())
    return max(
        sentences, key=lambda s: (times[s], sum(counts[w] for w in s.split()) / len(s.split()), s)
    )


def nodes(
    asked: argparse.Namespace, runs: dict[str, Path], split: str
) -> dict[str, list[dict[str, Any]]]:
    """Accuracy of the trees' nodes."""
    data = BlurDataset(asked.data, "train")
    trees = [name for name in runs if name.removesuffix("-sharp") in TREES]
    return {
        name: [asdict(each) for each in node_accuracy(load_run(runs[name]), split, data)]
        for name in trees
    }


def tables(found: dict[str, Any]) -> list[str]:
    """Markdown."""
    texts = [scale(found)]
    psnr = {name: list(values.values()) for name, values in found["psnr"].items()}
    texts.append("Deblurring, test split\n\n" + table(("PSNR", "SSIM"), psnr))
    for split, models in found["captions"].items():
        rows = {name: [scores.get(column) for column in COLUMNS] for name, scores in models.items()}
        texts.append(f"Captions, {split} split\n\n" + table(COLUMNS, rows))
    for split, models in found["nodes"].items():
        for name, each in models.items():
            rows = {
                row["node"]: [row[key] for key in list(row)[2:] if key != "words"] for row in each
            }
            columns = ("right", "commonest label", "right word", "commonest word")
            texts.append(f"Nodes of {name}, {split} split\n\n" + table(columns, rows))
    return texts


def scale(found: dict[str, Any]) -> str:
    """How little it was: pictures, and steps of each run."""
    lines = [f"- {name}: {count} pictures" for name, count in found["pictures"].items()]
    lines += [
        f"- {name}: {run['steps']} steps, batches of {run['batch_size']};"
        f" {run['resnet']} ({run['resnet_weights']}) on {run['side']} px"
        for name, run in found["settings"].items()
    ]
    return "\n".join(lines)


def table(columns: tuple[str, ...], rows: dict[str, list[float | None]]) -> str:
    """Rows by name, numbers with three digits."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, values in rows.items():
        numbers = ["n/a" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {' | '.join(numbers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
