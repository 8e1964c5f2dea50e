"""Restored pictures + a data set -> one row of scores a picture, and their summary."""

import contextlib
import hashlib
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import pixel_hash
from blurbench.errors import UserError
from blurbench.files import inside, locked, read_json, sha256, write_bytes, write_json, write_jsonl
from blurbench.images import encode
from blurbench.metrics import PROTOCOLS, compute, find_metric, known, make_ready
from blurbench.models.parts.dropout import drawing
from blurbench.progress import progress
from blurbench.runs.trained import Restored
from blurbench.scoring.environment import environment, forget_peaks, peak_memory
from blurbench.scoring.photographs import Photographs, open_data, refuse_comparing
from blurbench.scoring.restorers import Restorer, trained
from blurbench.scoring.tools import Labels, scored
from blurbench.stores.open import Place, base_name
from blurbench.words import counted

Data = BlurDataset | Photographs
RECIPE_HASH = "recipe_sha256"
SAMPLES = 8
SHOWN = 10  # skipped pictures that are printed; failures.jsonl has all
# Labels that boards break down by -> their columns in metadata.jsonl, where a data set has them.
GROUPS = {"family": "kernel_family", "shot_type": "shot_type", "blur_type": "blur_type"}
# A result made with another one of these is another result.
SAME = ("model", "restored_by", "data", "protocol", "metrics", "provenance", "repeats", "using")


@dataclass(frozen=True)
class Summary:
    """What an evaluation came to."""

    out: Path
    model: str
    images: int
    means: dict[str, float]
    skipped: list[dict[str, str]]  # id, why
    notes: list[str]

    @property
    def failed(self) -> int:
        """How many pictures have no row."""
        return len(self.skipped)

    def __str__(self) -> str:
        """A line of means, then a line for each picture that was skipped, and for each note."""
        means = ", ".join(
            f"{metric.title} {value:.{metric.digits}f} {metric.unit}".rstrip()
            for metric, value in ((find_metric(key), value) for key, value in self.means.items())
        )
        if self.images:
            lines = [f"{self.model}: {means} over {counted(self.images, 'picture')} ({self.out})"]
        else:
            lines = [f"{self.model}: no picture could be scored ({self.out})"]
        lines += [f"skipped {item['id']}: {item['why']}" for item in self.skipped[:SHOWN]]
        if self.failed > SHOWN:
            lines.append(f"... and {self.failed - SHOWN} more: {self.out / 'failures.jsonl'}")
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class Refused:
    """A run of several that could not be evaluated."""

    run: Path
    why: str
    failed: int = 1

    def __str__(self) -> str:
        """One line."""
        return f"not evaluated: {self.run}: {self.why.removeprefix(f'{self.run}: ')}"


def evaluate_runs(
    data: Place, out: Path, runs: Sequence[Path], device: str | None, **options: Any
) -> Iterator[Summary | Refused]:
    """`evaluate` for several runs, one after the other, into `out`/RUN under their folders' names.

    One that cannot be loaded or scored costs the others nothing; where none can, UserError.
    """
    folders = [run.resolve().name for run in runs]
    if len(set(folders)) < len(folders):
        raise UserError("two --checkpoint folders have the same name; evaluate them one by one")
    refused = []
    for run, folder in zip(runs, folders, strict=True):
        try:
            restore = trained(run, folder, device)
            done: Summary | Refused = evaluate(
                data, out / folder, restore=restore, name=folder, **options
            )
        except UserError as error:
            done = Refused(run, str(error))
            refused.append(done)
        yield done
    if len(refused) == len(runs):
        raise UserError("none of the runs could be evaluated")


def evaluate(
    data: Place,
    out: Path,
    *,
    restore: Restorer,
    name: str,
    protocol: str = "wang-rgb",
    metrics: Sequence[str] = ("psnr", "ssim"),
    split: str = "test",
    repeats: int = 1,
    using: Mapping[str, str] | None = None,
) -> Summary:
    """Score every picture of a split into the result folder `out`; a second call resumes it.

    `repeats`: of a model that draws noise, the scores are means over so many draws. `using`: the
    networks that some metrics need, by the names in `labels.TOOLS`. A picture that cannot be
    restored or scored is skipped and listed. Raises UserError for unknown names, missing tools and
    labels, and for an `out` that holds another result.
    """
    known(PROTOCOLS, protocol, "protocol")
    for metric in metrics:
        make_ready(metric)
    dataset = open_data(data, split)
    refuse_comparing(dataset, metrics)
    device = restore.provenance.get("device", "cpu")
    labels = Labels(dataset, metrics, using or {}, device)
    dataset.rows = scored(dataset.rows)
    notes = restore.prepare(dataset.rows)
    header = _header(dataset, restore, name, protocol, metrics)
    # Left out where there is nothing to say: as in results from before there was.
    header |= {"repeats": repeats} if repeats > 1 else {}
    header |= {"using": labels.provenance} if using else {}
    forget_peaks(device)
    _refuse_other(out, header)  # before the lock, which leaves a file behind
    with locked(out):
        done = _done(out, header)
        header["data_folder"] = base_name(data)
        header["data_title"] = str(dataset.recipe.get("title", ""))
        write_json(out / "summary.json", {**header, "complete": False})
        rows, skipped = _score_all(dataset, restore, labels, header, out, done)
        write_jsonl(out / "results.jsonl", rows)
        write_jsonl(out / "failures.jsonl", skipped)
        summary = _summarise(header, rows, skipped)
        write_json(out / "summary.json", summary)
    means = {key: value for key, value in summary["means"].items() if value is not None}
    return Summary(out, name, len(rows), means, skipped, [*notes, *_notes(summary)])


def _notes(summary: dict[str, Any]) -> list[str]:
    """What the user should know of how the pictures were restored, a line each."""
    notes = [
        f"{counted(count, 'picture')} restored in tiles of {side} px: too large for the memory"
        for side, count in summary["tiles"].items()
    ]
    if "repeats" in summary and summary["images"] and not summary["spread"]:
        notes.append(f"{summary['model']} draws no noise: every picture was restored once")
    return notes


def _header(
    dataset: Data, restore: Restorer, name: str, protocol: str, metrics: Sequence[str]
) -> dict[str, Any]:
    """What is scored and how: the head of summary.json."""
    recipe = json.dumps(dataset.recipe, sort_keys=True)
    header = {
        "model": name,
        "restored_by": restore.kind,
        "data": {
            "recipe": dataset.recipe_name,
            RECIPE_HASH: sha256(recipe.encode()),
            "split": dataset.split,
            "digest": dataset.digest,
            "images": len(dataset),
        },
        "protocol": protocol,
        "metrics": list(metrics),
        "provenance": restore.provenance,
    }
    plain: dict[str, Any] = json.loads(json.dumps(header))  # as a file gives it back: no tuples
    return plain


def _refuse_other(out: Path, header: dict[str, Any]) -> None:
    """UserError where `out` holds anything but this result, whole or begun."""
    if not out.exists() or (out.is_dir() and all(p.name.startswith(".") for p in out.iterdir())):
        return
    if not (out / "summary.json").is_file():
        raise UserError(f"{out}: is not empty and holds no result; choose another --out")
    before = read_json(out / "summary.json")
    for key in SAME:
        if _identity(before.get(key)) != _identity(header.get(key)):
            raise UserError(f"{out}: holds a result of another {key}; choose another --out")


def _identity(value: Any) -> Any:
    """Without the recipe's hash: the same pixels under a reworded title are the same data."""
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in value.items() if key != RECIPE_HASH}


def _done(out: Path, header: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows that `out` holds already, by id; a crash may have torn the last line."""
    path = out / "results.jsonl"
    text = path.read_bytes() if path.exists() else b""
    try:
        rows = [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
    except ValueError:
        raise UserError(f"{path}: damaged; delete its folder and evaluate again") from None
    return {row["id"]: row for row in rows if _is_whole(row, header["metrics"])}


def _is_whole(row: Any, metrics: Sequence[str]) -> bool:
    """Whether this is a row of results.jsonl with all that the summary and the boards read."""
    return (
        isinstance(row, dict)
        and {"model", "data", "split", "protocol", "id", "metrics", "milliseconds"} <= row.keys()
        and isinstance(row["metrics"], dict)
        and set(metrics) <= row["metrics"].keys()
    )


def _score_all(
    dataset: Data,
    restore: Restorer,
    labels: Labels,
    header: dict[str, Any],
    out: Path,
    done: dict[str, dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Rows in the data set's order, and what was skipped; rows already `done` are kept."""
    chosen = sample_ids([row["id"] for row in dataset.rows])
    skipped: list[dict[str, str]] = []
    write_jsonl(out / "results.jsonl", list(done.values()))
    _warm_up(dataset, restore, [row for row in dataset.rows if row["id"] not in done])
    with (
        progress(f"evaluate {header['model']}", len(dataset), start=len(done)) as advance,
        (out / "results.jsonl").open("a", encoding="utf-8") as file,
    ):
        for row in dataset.rows:
            if row["id"] in done:
                continue
            try:
                scored, pictures = _score(dataset, row, restore, labels, header)
            except Exception as error:  # one bad picture, or a model that fails on it
                skipped.append({"id": row["id"], "why": _one_line(error)})
            else:
                if row["id"] in chosen:
                    _write_sample(out, row["id"], pictures)
                file.write(json.dumps(scored, ensure_ascii=False, allow_nan=False) + "\n")
                file.flush()
                done[row["id"]] = scored
            advance()
    return [done[row["id"]] for row in dataset.rows if row["id"] in done], skipped


def _warm_up(dataset: Data, restore: Restorer, rows: Sequence[dict[str, Any]]) -> None:
    """Restore a first picture untimed: it also loads libraries and chooses kernels.

    Of a median over few pictures, or of what was left of an interrupted run, that would be a part.
    """
    if restore.timed and rows:
        # Whatever is wrong with it is told when it is scored.
        with contextlib.suppress(Exception):
            restore.restore(dataset.picture(rows[0], "blur"), rows[0])


def _score(
    dataset: Data, row: dict[str, Any], restore: Restorer, labels: Labels, header: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One picture restored and scored: its row of results.jsonl, and the pictures by role."""
    roles = ("blur",) if isinstance(dataset, Photographs) else ("blur", "sharp")
    pictures = {role: _picture(dataset, row, role) for role in roles}
    blur, sharp = pictures["blur"], pictures.get("sharp")
    began = time.perf_counter()
    draws = _draws(restore, blur, row, header.get("repeats", 1))
    elapsed = (time.perf_counter() - began) * 1e3 / len(draws)
    of_row, protocol = labels.of(row, blur), header["protocol"]
    scores = {
        metric: [compute(metric, draw.values, sharp, protocol, **of_row) for draw in draws]
        for metric in header["metrics"]
    }
    scored = {
        "model": header["model"],
        "data": header["data"]["digest"],
        "split": header["data"]["split"],
        "protocol": header["protocol"],
        "id": row["id"],
        "metrics": {metric: _applying(statistics.fmean(of)) for metric, of in scores.items()},
        "severity": row.get("severity_mean_px"),
        "groups": {name: row[column] for name, column in GROUPS.items() if column in row},
        "milliseconds": round(elapsed, 3) if restore.timed else None,
        "figures": _means([draw.figures for draw in draws]),
        "tile": draws[0].tile,
    }
    if "source_id" in row:
        scored["source"] = row["source_id"]
    if len(draws) > 1:
        spread = {m: statistics.stdev(of) for m, of in scores.items() if not math.isnan(of[0])}
        scored["spread"] = spread
    return scored, {**pictures, "restored": draws[0].image}


def _applying(value: float) -> float | None:
    """None for NaN: the metric does not apply to this picture."""
    return None if math.isnan(value) else value


def _draws(
    restore: Restorer, blur: np.ndarray, row: dict[str, Any], repeats: int
) -> list[Restored]:
    """A picture restored under so many draws of noise; once where none is drawn."""
    draws = []
    for number in range(repeats):
        with drawing(number) as draw:
            draws.append(restore.restore(blur, row))
        if not draw.used:
            break
    return draws


def _means(tables: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean of each name over the tables that have a number for it."""
    found: dict[str, list[float]] = {}
    for table in tables:
        for name, value in table.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    return {name: statistics.fmean(values) for name, values in found.items()}


def _picture(dataset: Data, row: dict[str, Any], role: str) -> np.ndarray:
    """A picture of the data set; UserError where the digest stands for other pixels."""
    image = dataset.picture(row, role)
    if pixel_hash(image) != row[f"{role}_pixels"]:
        where = dataset.where(row, role)
        raise UserError(f"{where}: differs from the data set's metadata; run blurbench verify")
    return image


def sample_ids(ids: Sequence[str]) -> set[str]:
    """The few ids whose pictures are kept: by hash, so that every model keeps the same ones."""
    return set(sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:SAMPLES])


def _write_sample(out: Path, name: str, pictures: dict[str, np.ndarray]) -> None:
    for role, image in pictures.items():
        write_bytes(inside(out, f"samples/{name}__{role}.png"), encode(image))


def _summarise(
    header: dict[str, Any], rows: list[dict[str, Any]], skipped: list[dict[str, str]]
) -> dict[str, Any]:
    times = [row["milliseconds"] for row in rows if row["milliseconds"] is not None]
    return {
        **header,
        "complete": True,
        "images": len(rows),
        "means": dict.fromkeys(header["metrics"]) | _means([row["metrics"] for row in rows]),
        "milliseconds_median": statistics.median(times) if times else None,
        "figures": _means([row.get("figures", {}) for row in rows]),
        "spread": _means([row.get("spread", {}) for row in rows]),
        "tiles": dict(Counter(str(row["tile"]) for row in rows if row.get("tile"))),
        **peak_memory(header["provenance"].get("device", "cpu")),
        "samples": sorted(sample_ids([row["id"] for row in (*rows, *skipped)])),
        "skipped": skipped,
        "environment": environment(),
    }


def _one_line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError | ValueError) else f"{type(error).__name__}: {text}"
