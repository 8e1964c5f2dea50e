"""Make a data set shard by shard: what is written, in which order, by how many workers."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import blurbench
from blurbench.datasets.assemble import SetSummary, Told, assemble, say_counts, say_problems
from blurbench.datasets.checks import Files
from blurbench.datasets.format import Row, pixel_hash
from blurbench.datasets.journal import SetRequest
from blurbench.datasets.pair import MadePair, make_pair, prepare
from blurbench.datasets.records import failed_entry, made_entry
from blurbench.datasets.shard_record import ShardRecord, recording
from blurbench.datasets.splits import PairTask, empty_splits, list_tasks, shortfall, unused_count
from blurbench.engine import ALONE, Workers
from blurbench.errors import UserError, one_line
from blurbench.files import sha256
from blurbench.images import encode
from blurbench.recipes.recipe import Recipe
from blurbench.sources.open import Source, in_order
from blurbench.stores.open import Place, lies_in, open_store
from blurbench.stores.store import FileBatch, Store
from blurbench.words import counted


@dataclass(frozen=True)
class SynthesisJob:
    """What every shard of one run needs to know."""

    recipe: Recipe
    seed: int
    store: Store
    image_format: str


@dataclass(frozen=True)
class Plan:
    """What `synthesize` would make."""

    sources: dict[str, int]  # source images by split
    counts: dict[str, int]  # pairs by split
    bytes: int  # on disk
    seconds: float  # with one worker
    told: Told
    problems: list[str]  # of pictures that cannot be used, as far as is known before they are read

    @property
    def complete(self) -> bool:
        """Whether nothing is missing of what was asked for, as far as is known."""
        return not self.problems and not self.told.lacks

    def __str__(self) -> str:
        """Some lines for the terminal."""
        sources = ", ".join(f"{self.sources[split]} {split}" for split in in_order(self.sources))
        lines = [
            f"source images: {sources}",
            say_counts(self.counts),
            f"disk: about {self.bytes / 1e6:,.1f} MB",
            f"time: about {self.seconds:,.0f} s with one worker",
        ]
        return "\n".join([*lines, *self.told.lines(), *say_problems(self.problems)])


def synthesize(
    recipe: Recipe,
    source: Source,
    out: Place | Store,
    *,
    seed: int = 0,
    limit: int | None = None,
    image_format: str = "png",
    workers: Workers = ALONE,
    shard_size: int = 64,
) -> SetSummary:
    """Make the data set `out`, a folder or URL, or what is missing of it; png or webp.

    The pixels depend on recipe, source, seed and limit alone. Inputs that cannot be used go to
    failures.jsonl, and are tried again by the next run. UserError where `out` holds anything else
    or lies inside the source, another run is writing there, or the disk is full.
    """
    store = open_store(out)
    _refuse_inside(source, store)
    request = _request(recipe, source, seed, limit, image_format)
    tasks = list_tasks(recipe, source, limit)
    # Workers may have other working directories.
    making = SynthesisJob(recipe, seed, store.absolute(), image_format)
    return assemble(
        out,
        request,
        tasks,
        partial(make_shard, making),
        items=source.items,
        verb="make",
        told=_told(recipe, source, tasks, limit),
        workers=workers,
        shard_size=shard_size,
    )


def plan(recipe: Recipe, source: Source, *, seed: int = 0, limit: int | None = None) -> Plan:
    """Count what `synthesize` would make, and measure a few pairs; writes nothing.

    UserError where none of those few can be made.
    """
    tasks = list_tasks(recipe, source, limit)
    measured, problems = _measure(recipe, seed, tasks)
    if not measured:
        tried = f"none of the {counted(len(problems), 'pair')} tried can be made"
        raise UserError(f"{source.spec}: {tried}; the first: {problems[0]}")
    sources = Counter(task.split for task in tasks if task.replica == 0)
    # The first pair pays for compiling.
    warm = measured if len(tasks) == 1 else measured[1:]
    # A source image is read once for all its pairs.
    seconds = sum(each.loading * sources.total() + each.making * len(tasks) for each in warm)
    return Plan(
        dict(sources),
        dict(Counter(task.split for task in tasks)),
        int(sum(each.bytes for each in measured) / len(measured) * len(tasks)),
        seconds / max(len(warm), 1),
        _told(recipe, source, tasks, limit),
        [*dict.fromkeys(problem for task in tasks if (problem := _problem(task)))],
    )


def _told(recipe: Recipe, source: Source, tasks: Sequence[PairTask], limit: int | None) -> Told:
    short = ["" if limit else shortfall(recipe, tasks), empty_splits(recipe, source, tasks, limit)]
    lacks = source.lacks
    # Of other recipes these are tasks that fail.
    if recipe.recognition and (nobody := [each for each in source.items if each.problem]):
        unknown = f"{counted(len(nobody), 'picture')} of nobody known, left out"
        lacks = [*lacks, f"{unknown} (first: {nobody[0].id}: {nobody[0].problem})"]
    short.append(unused_count(recipe, source))
    return Told([*filter(None, short), *source.notes], lacks)


def _problem(task: PairTask) -> str:
    """Why its picture cannot be used, where that is known before it is read."""
    return f"{task.source_id}: {task.item.problem}" if task.item.problem else ""


class _Measured(NamedTuple):
    """What one pair took."""

    loading: float  # s
    making: float  # s
    bytes: int


def _measure(
    recipe: Recipe, seed: int, tasks: Sequence[PairTask]
) -> tuple[list[_Measured], list[str]]:
    """A few pairs spread over all, and why others of them cannot be made."""
    measured: list[_Measured] = []
    problems: list[str] = []
    # Without the first, four tell enough.
    for task in tasks[:: max(1, len(tasks) // 4)][:5]:
        began = time.perf_counter()
        try:
            sharp = prepare(recipe, task.item.id, task.item.load())
            loaded = time.perf_counter()
            pair = make_pair(recipe, seed, task.item.id, task.split, task.replica, sharp)
        except UserError as error:
            problems.append(one_line(error, task.source_id))
            continue
        size = sum(len(encode(image)) for image in pair.images.values())
        measured.append(_Measured(loaded - began, time.perf_counter() - loaded, size))
    return measured, problems


def _refuse_inside(source: Source, out: Store) -> None:
    # The next run would list the pictures made here as sharp ones.
    if source.spec.startswith("builtin:"):
        return
    where, folder = out.where(), open_store(source.spec).where()
    if lies_in(where, folder):
        raise UserError(f"{where}: lies in the source folder {folder}; give an --out outside it")


def _request(
    recipe: Recipe, source: Source, seed: int, limit: int | None, image_format: str
) -> SetRequest:
    spec = source.spec
    name = spec if spec.startswith("builtin:") else Path(spec).absolute().name
    # The group too: it decides the split of an image whose split nothing states.
    ids = "\n".join(f"{item.split} {json.dumps(item.group)} {item.id}" for item in source.items)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "limit": limit,
        "image_format": image_format,
        "blurbench": blurbench.__version__,
        # Left out where there are none: as in data sets from before there could be.
        **({"plugins": plugins} if (plugins := recipe.plugins()) else {}),
        "source": {"name": name, "ids_sha256": sha256(ids.encode()), **source.description},
    }


def make_shard(making: SynthesisJob, tasks: Sequence[PairTask]) -> None:
    """Make and write some pairs, and the record of those that are done."""
    with recording(making.store, tasks) as record:
        # Tasks of one image follow each other: it is read and resized once for all its replicas.
        for _, same in groupby(record.left, key=lambda task: task.item.id):
            _make_of_one_image(making, list(same), record)


def _make_of_one_image(
    making: SynthesisJob, tasks: list[PairTask], record: ShardRecord[PairTask]
) -> None:
    recipe, seed = making.recipe, making.seed
    try:
        sharp = prepare(recipe, tasks[0].item.id, tasks[0].item.load())
    except Exception as error:
        reason = one_line(error, tasks[0].source_id)
        for task in tasks:
            record.add(failed_entry(task, reason))
        return
    for task in tasks:
        try:
            pair = make_pair(recipe, seed, task.item.id, task.split, task.replica, sharp)
        except Exception as error:
            record.add(failed_entry(task, one_line(error, task.source_id)))
        else:
            record.add(_write(making, task, pair, record.batch))


def _write(making: SynthesisJob, task: PairTask, pair: MadePair, batch: FileBatch) -> Row:
    """Write the pictures of a pair; gives the entry of its record, with its row."""
    names, files, pixels = {}, {}, {}
    sizes: Files = []
    for kind, image in pair.images.items():
        # Masks are PNG always: WebP has no grey.
        suffix = ".png" if kind == "mask" else f".{making.image_format}"
        data = encode(image, suffix)
        names[f"{kind}_file_name"] = f"{kind}/{task.id}{suffix}"
        files[f"{kind}_sha256"] = sha256(data)
        pixels[f"{kind}_pixels"] = pixel_hash(image)
        sizes.append((names[f"{kind}_file_name"], len(data)))
        batch.put(f"{task.split}/{kind}/{task.id}{suffix}", data)
    height, width = pair.blur.shape[:2]
    size = {"width": width, "height": height}
    row = {"id": task.id, **names, **files, **pixels, **size, **pair.row}
    return made_entry(task.split, row, sizes)
