"""Make a data set shard by shard: what is written, in which order, by how many workers."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import blurbench
from blurbench.datasets.format import (
    FAILURES,
    Description,
    Row,
    failure_lines,
    pixel_hash,
    read_lines,
)
from blurbench.datasets.journal import (
    Request,
    failure_entry,
    finish,
    finished,
    read_records,
    refuse_other,
    refuse_strangers,
    work_folder,
    write_record,
)
from blurbench.datasets.pair import Pair, make_pair, prepare
from blurbench.datasets.splits import Task, list_tasks, shortfall
from blurbench.engine import ALONE, Workers, run_items
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import encode
from blurbench.progress import progress
from blurbench.recipes.recipe import Recipe
from blurbench.sources.open import Source, in_order
from blurbench.stores.open import Place, lies_in, open_store
from blurbench.stores.store import FileBatch, Store


@dataclass(frozen=True)
class Job:
    """What every shard of one run needs to know."""

    recipe: Recipe
    seed: int
    store: Store
    image_format: str


@dataclass(frozen=True)
class Summary:
    """What a run of `synthesize` has to say."""

    out: Place
    made: int  # pairs made by this run; the others were there already
    counts: dict[str, int]  # pairs of the whole set, by split
    failures: list[Row]  # the rows of failures.jsonl
    digest: str
    short: str  # of what the recipe asks for; empty where there is enough

    @property
    def failed(self) -> int:
        """Number of inputs that could not be used."""
        return len(self.failures)

    def __str__(self) -> str:
        """Some lines for the terminal."""
        made = f"{self.made} made now" if self.made else "nothing was left to make"
        store = open_store(self.out)
        lines = [f"{store.where()}: {_say(self.counts)}; {made}", f"digest {self.digest}"]
        if self.short:
            lines.append(self.short)
        lines += failure_lines(store, self.failures, f"{_count(self.failed, 'input')} failed")
        return "\n".join(lines)


@dataclass(frozen=True)
class Plan:
    """What `synthesize` would make."""

    sources: dict[str, int]  # source images by split
    counts: dict[str, int]  # pairs by split
    bytes: int  # on disk
    seconds: float  # with one worker
    short: str  # of what the recipe asks for; empty where there is enough

    def __str__(self) -> str:
        """Some lines for the terminal."""
        return (
            f"source images: {_by_split(self.sources)}\n{_say(self.counts)}\n"
            f"disk: about {self.bytes / 1e6:,.1f} MB\n"
            f"time: about {self.seconds:,.0f} s with one worker"
            + (f"\n{self.short}" * bool(self.short))
        )


def _say(counts: dict[str, int]) -> str:
    return f"{_count(sum(counts.values()), 'pair')} ({_by_split(counts)})" if counts else "no pairs"


def _by_split(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[split]} {split}" for split in in_order(counts))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def synthesize(
    recipe: Recipe,
    source: Source,
    out: Place,
    *,
    seed: int = 0,
    limit: int | None = None,
    image_format: str = "png",
    workers: Workers = ALONE,
    shard_size: int = 64,
) -> Summary:
    """Make the data set `out`, a folder or URL, or what is missing of it; png or webp.

    The pixels depend on recipe, source, seed and limit alone. Inputs that cannot be used go to
    failures.jsonl, and are tried again by the next run. UserError where `out` holds anything else
    or lies inside the source, another run is writing there, or the disk is full.
    """
    _refuse_inside(source, out)
    store = open_store(out)
    wanted = _request(recipe, source, seed, limit, image_format)
    refuse_other(store, wanted)
    tasks = list_tasks(recipe, source, limit)
    short = "" if limit else shortfall(recipe, tasks)
    if whole := finished(store):
        return _summary(out, 0, whole, short)
    with work_folder(store, wanted) as copies:
        # Workers may have other working directories.
        job = Job(recipe, seed, store.absolute(), image_format)
        found = read_records(store, copies)
        refuse_strangers(store, found, ((task.split, task.id) for task in tasks))
        left = [task for task in tasks if (task.split, task.id) not in found.made]
        there = len(found.made)
        del found  # `finish` reads them again; of 1.7 million pairs they take 370 MB
        with progress("synthesize", len(tasks), start=len(tasks) - len(left)) as advance:
            killers = run_items(
                partial(make_shard, job),
                left,
                advance,
                most=shard_size,
                workers=workers,
            )
        write_record(
            store, [_failure(task, f"{task.item.id}: kills its process") for task in killers]
        )
        whole = finish(store, copies, wanted, len(tasks))
    return _summary(out, sum(whole.counts.values()) - there, whole, short)


def plan(recipe: Recipe, source: Source, *, seed: int = 0, limit: int | None = None) -> Plan:
    """Count what `synthesize` would make, and measure a few pairs; writes nothing.

    UserError where none of those few can be made.
    """
    tasks = list_tasks(recipe, source, limit)
    sources = Counter(task.split for task in tasks if task.replica == 0)
    sizes: list[int] = []
    problems: list[str] = []
    loading = making = 0.0
    # The first pair pays for compiling; with the others, four tell enough.
    for task in tasks[:: max(1, len(tasks) // 4)][:5]:
        began = time.perf_counter()
        try:
            sharp = prepare(recipe, task.item.id, task.item.load())
            loaded = time.perf_counter()
            pair = make_pair(recipe, seed, task.item.id, task.split, task.replica, sharp)
        except UserError as error:
            problems.append(_reason(task, error))
            continue
        size = sum(len(encode(image)) for image in pair.images.values())
        if sizes or len(tasks) == 1:
            loading += loaded - began
            making += time.perf_counter() - loaded
        sizes.append(size)
    if not sizes:
        tried = f"none of the {_count(len(problems), 'pair')} tried can be made"
        raise UserError(f"{source.spec}: {tried}; the first: {problems[0]}")
    # A source image is read once for all its pairs.
    seconds = loading * sources.total() + making * len(tasks)
    counts = Counter(task.split for task in tasks)
    return Plan(
        dict(sources),
        dict(counts),
        int(sum(sizes) / len(sizes) * len(tasks)),
        seconds / max(len(sizes) - 1, 1),
        "" if limit else shortfall(recipe, tasks),
    )


def _refuse_inside(source: Source, out: Place) -> None:
    # The next run would list the pictures made here as sharp ones.
    if not source.spec.startswith("builtin:") and lies_in(out, source.spec):
        raise UserError(f"{out}: lies in the source folder {source.spec}; give an --out outside it")


def _request(
    recipe: Recipe, source: Source, seed: int, limit: int | None, image_format: str
) -> Request:
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
        "source": {"name": name, "ids_sha256": sha256(ids.encode()), **source.description},
    }


def _summary(out: Place, made: int, whole: Description, short: str) -> Summary:
    failures = list(read_lines(open_store(out), FAILURES)) if whole.failed else []
    return Summary(out, made, whole.counts, failures, whole.digest, short)


def make_shard(job: Job, tasks: Sequence[Task]) -> None:
    """Make and write some pairs, and last of all the record that they are done."""
    entries: list[Row] = []
    batch = job.store.batch()
    try:
        for _, same in groupby(tasks, key=lambda task: task.item.id):
            _make_of_one_image(job, list(same), entries, batch)
    finally:
        # Interrupted or out of disk: what was finished is kept.
        with _disk(job.store):
            batch.settle()
            write_record(job.store, entries)


def _make_of_one_image(job: Job, tasks: list[Task], entries: list[Row], batch: FileBatch) -> None:
    try:
        sharp = prepare(job.recipe, tasks[0].item.id, tasks[0].item.load())
    except Exception as error:
        entries += [_failure(task, _reason(task, error)) for task in tasks]
        return
    for task in tasks:
        try:
            pair = make_pair(job.recipe, job.seed, task.item.id, task.split, task.replica, sharp)
        except Exception as error:
            entries.append(_failure(task, _reason(task, error)))
        else:
            entries.append({"split": task.split, "row": _write(job, task, pair, batch)})


def _write(job: Job, task: Task, pair: Pair, batch: FileBatch) -> Row:
    """Write the pictures of a pair; gives its row of metadata.jsonl."""
    names, files, pixels = {}, {}, {}
    for kind, image in pair.images.items():
        # Masks are PNG always: WebP has no grey.
        suffix = ".png" if kind == "mask" else f".{job.image_format}"
        data = encode(image, suffix)
        names[f"{kind}_file_name"] = f"{kind}/{task.id}{suffix}"
        files[f"{kind}_sha256"] = sha256(data)
        pixels[f"{kind}_pixels"] = pixel_hash(image)
        with _disk(job.store):
            batch.put(f"{task.split}/{kind}/{task.id}{suffix}", data)
    height, width = pair.blur.shape[:2]
    size = {"width": width, "height": height}
    return {"id": task.id, **names, **files, **pixels, **size, **pair.row}


@contextmanager
def _disk(store: Store) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "mend that and run the same command again; what was finished is kept"
        raise UserError(f"{store.where()}: cannot write ({error.strerror}); {mend}") from None


def _failure(task: Task, error: str) -> Row:
    return failure_entry(task.split, task.id, task.item.id, error)


def _reason(task: Task, error: Exception) -> str:
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return text if text.startswith(task.item.id) else f"{task.item.id}: {text}"
