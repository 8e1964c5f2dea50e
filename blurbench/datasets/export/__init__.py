"""A data set in the formats of other trainers; every picture is copied as it is, and read back."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blurbench
from blurbench.datasets.export import databases, folders, tars
from blurbench.datasets.export.job import ExportJob, ExportRun, count_pictures
from blurbench.datasets.export.read import ExportPair, read_pairs
from blurbench.datasets.format import Description, read_description
from blurbench.engine import ALONE, Workers
from blurbench.errors import UserError
from blurbench.files import TEMPORARY, read_json, sync, tell_unwritable, write_json
from blurbench.locks import locked
from blurbench.out_folder import Claim, changed
from blurbench.progress import progress
from blurbench.sources.open import in_order
from blurbench.stores.folder import Folder
from blurbench.stores.open import Place, lies_in, open_store
from blurbench.stores.store import Store
from blurbench.words import meant

KINDS: dict[str, Callable[[ExportJob, list[ExportPair], ExportRun], None]] = {
    "webdataset": tars.write,
    "lmdb": databases.write,
    "basicsr": folders.write,
}
DONE = "export.json"  # written last
WORK = ".export"  # exists while an export is being made
PLAN = f"{WORK}/plan.json"
CLAIM = Claim("an export", (PLAN, DONE))
SHARD_PAIRS = 10_000

ExportRequest = dict[str, Any]  # what was asked for: the head of export.json


@dataclass(frozen=True)
class Exported:
    """What a run of `export` has to say."""

    out: Path
    kind: str
    counts: dict[str, int]  # pairs by split
    pictures: int
    digest: str  # of the data set

    def __str__(self) -> str:
        """Two lines for the terminal."""
        splits = ", ".join(f"{self.counts[split]} {split}" for split in in_order(self.counts))
        pairs = f"{sum(self.counts.values())} pairs ({splits})"
        checked = f"{self.pictures} pictures read back and found the same"
        return f"{self.out}: {pairs} as {self.kind}; {checked}\ndigest {self.digest}"


def export(
    data: Place | Store,
    kind: str,
    out: Path,
    *,
    workers: Workers = ALONE,
    shard_pairs: int = SHARD_PAIRS,
) -> Exported:
    """Write the data set `data` as `webdataset`, `lmdb` or `basicsr` into the folder `out`.

    Run again, it checks what is there and writes what is missing or damaged. At most `shard_pairs`
    pairs and 1 GB go into one tar. UserError where `out` holds anything else or lies inside the
    data set, or where a picture is not the one that was made.
    """
    if kind not in KINDS:
        near = meant(kind, KINDS)
        raise UserError(f"--to {kind}: no such format{near}; there are {', '.join(KINDS)}")
    if kind == "lmdb":
        databases.require()
    store = open_store(data).absolute()
    description = read_description(store)
    wanted = _request(kind, description, shard_pairs)
    for place in (store.where(), description.root):
        if place is not None and lies_in(out, place):
            raise UserError(f"{out}: lies in the data set {place}; give an --out outside it")
    _refuse_other(out, wanted)
    pairs = read_pairs(store, description)
    work = out.absolute() / WORK
    with tell_unwritable(str(out)), locked(work):
        _refuse_other(out, wanted)  # again: another export may have been made since
        _begin(out, wanted)
        with progress("export", count_pictures(pairs)) as advance:
            run = ExportRun(description, workers, shard_pairs, advance)
            KINDS[kind](ExportJob(out.absolute(), work), pairs, run)
        made = {**wanted, "counts": description.counts, "blurbench": blurbench.__version__}
        write_json(out / DONE, made)
        # DONE is on disk before the plan goes: a folder without both is a stranger's.
        sync(out)
        shutil.rmtree(work)
    return Exported(out, kind, description.counts, count_pictures(pairs), description.digest)


def _request(kind: str, description: Description, shard_pairs: int) -> ExportRequest:
    return {
        "format": "blurbench export 1",
        "kind": kind,
        "recipe": description.recipe.get("name"),
        "digest": description.digest,
        "metadata_sha256": description.metadata_sha256,
        **({"shard_pairs": shard_pairs} if kind == "webdataset" else {}),
    }


def _refuse_other(out: Path, wanted: ExportRequest) -> None:
    """UserError where `out` holds anything but this export, whole or begun."""
    if name := CLAIM.find(Folder(out)):
        CLAIM.refuse_other(Folder(out), changed(read_json(out / name), wanted))


def _begin(out: Path, wanted: ExportRequest) -> None:
    write_json(out / PLAN, wanted)
    # After the plan: one of them always says what the folder holds.
    (out / DONE).unlink(missing_ok=True)
    for torn in out.rglob(f"{TEMPORARY}*"):  # of runs that were killed
        torn.unlink(missing_ok=True)
