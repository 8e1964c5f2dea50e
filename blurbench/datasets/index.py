"""Index pairs that are there already: every picture is read once, and nothing is copied."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import blurbench
from blurbench.datasets.find_pairs import Listed, list_pairs
from blurbench.datasets.format import (
    DATASET,
    FAILURES,
    SHOWN_FAILURES,
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
from blurbench.datasets.splits import pair_id
from blurbench.engine import ALONE, Workers, run_items
from blurbench.errors import UserError
from blurbench.files import inside, sha256
from blurbench.images import decode, read_bytes
from blurbench.progress import progress
from blurbench.recipes.existing import Existing
from blurbench.sources.open import in_order
from blurbench.stores.open import is_url, open_store
from blurbench.stores.store import Store

SHARD_SIZE = 64


@dataclass(frozen=True)
class Indexed:
    """What `index` has to say."""

    out: Path
    made: int  # pairs indexed by this run; the others were there already
    counts: dict[str, int]  # pairs of the whole index, by split
    digest: str
    failures: list[Row] = field(default_factory=list)  # the rows of failures.jsonl
    unexpected: list[str] = field(default_factory=list)  # counts that are not the recipe's

    @property
    def failed(self) -> int:
        """Number of pictures that are in no pair."""
        return len(self.failures)

    def __str__(self) -> str:
        """Some lines for the terminal."""
        store = open_store(self.out)
        made = f"{self.made} indexed now" if self.made else "nothing was left to index"
        counts = ", ".join(f"{self.counts[split]} {split}" for split in in_order(self.counts))
        lines = [f"{store.where()}: {counts or 'no'} pairs; {made}", f"digest {self.digest}"]
        lines += [f"warning: {each}" for each in self.unexpected]
        lines += failure_lines(store, self.failures, f"{self.failed} in no pair")
        return "\n".join(lines)


def index(
    recipe: Existing,
    spec: str,
    out: Path | str,
    *,
    workers: Workers = ALONE,
    shard_size: int = SHARD_SIZE,
) -> Indexed:
    """Index the pairs of the folder `spec` in the folder `out`, or what is missing there.

    An index whose pictures were moved is pointed to `spec`, where the same pairs lie. UserError
    where nothing of the recipe is there, a list or link leads out, a picture is in two splits, or
    `out` is a URL or holds anything else.
    """
    # The root of an index at a URL could name any folder of whoever reads it.
    for place in filter(is_url, (spec, out)):
        raise UserError(f"{place}: pairs are indexed in a folder of this machine; give one")
    pairs = list_pairs(recipe, spec)
    wanted = _request(recipe, Path(spec).absolute(), pairs)
    out = Path(out)
    store = open_store(out)
    refuse_other(store, wanted)
    if whole := finished(store, wanted["root"]):
        if whole.root != wanted["root"]:
            whole = whole.model_copy(update={"root": wanted["root"]})
            store.write_json(DATASET, whole.model_dump())
        return Indexed(out, 0, whole.counts, whole.digest, [], unexpected(recipe, pairs))
    with work_folder(store, wanted) as copies:
        found = read_records(store, copies, wanted["root"])
        refuse_strangers(store, found, {(pair.split, id_of(pair)) for pair in pairs})
        there = found.made
        left = [pair for pair in pairs if (pair.split, id_of(pair)) not in there]
        with progress("index", len(pairs), start=len(pairs) - len(left)) as advance:
            read = partial(read_shard, store.absolute(), Path(wanted["root"]))
            killers = run_items(read, left, advance, most=shard_size, workers=workers)
        write_record(store, [_failure(pair, f"{pair.blur}: kills its process") for pair in killers])
        whole = finish(store, copies, wanted, len(pairs))
    failures = list(read_lines(store, FAILURES)) if whole.failed else []
    made = sum(whole.counts.values()) - len(there)
    return Indexed(out, made, whole.counts, whole.digest, failures, unexpected(recipe, pairs))


def plan(recipe: Existing, spec: str) -> str:
    """What `index` would read: a line of counts, and one for each that is not the recipe's."""
    pairs = list_pairs(recipe, spec)
    found = _count(pairs)
    counts = ", ".join(f"{found[split]} {split}" for split in in_order(found))
    lines = [f"blurred pictures: {counts}; every picture is read once, none is copied"]
    lines += [f"warning: {each}" for each in unexpected(recipe, pairs)]
    lines += [f"  {pair.problem}" for pair in pairs if pair.problem][:SHOWN_FAILURES]
    return "\n".join(lines)


def unexpected(recipe: Existing, pairs: Sequence[Listed]) -> list[str]:
    """A line for each count that is not the one in the recipe, where it has any."""
    sequences = {(pair.split, pair.sequence) for pair in pairs if pair.sequence is not None}
    by_split: dict[str, int] = defaultdict(int)
    for split, _ in sequences:
        by_split[split] += 1
    compared: list[tuple[str, dict[str, int], dict[str, int]]] = [
        ("blurred pictures", _count(pairs), recipe.expected),
        ("sequences", by_split, recipe.sequences),
    ]
    return [
        f"{split}: {found.get(split, 0):,} {what}, {expected.get(split, 0):,} expected"
        for what, found, expected in compared
        for split in in_order({*found, *expected})
        if expected and found.get(split, 0) != expected.get(split, 0)
    ]


def _count(pairs: Sequence[Listed]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for pair in pairs:
        counts[pair.split] += bool(pair.blur)
    return dict(counts)


def _request(recipe: Existing, root: Path, pairs: Sequence[Listed]) -> Request:
    """The head of dataset.json.

    The root is absolute: an index often lies on another disk than the pictures, and may be moved
    without them. It is not resolved, so that a link the user gave may be turned elsewhere.
    """
    ids = "\n".join(f"{pair.split} {pair.blur} {pair.sharp}" for pair in pairs)
    found = {f"found_{split}": str(count) for split, count in _count(pairs).items()}
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": 0,
        "limit": None,
        "image_format": "as found",
        "blurbench": blurbench.__version__,
        "source": {
            "kind": "existing",
            "name": root.name,
            "images": str(len(pairs)),
            "ids_sha256": sha256(ids.encode()),
            **found,
            "unexpected": "; ".join(unexpected(recipe, pairs)),
        },
        "root": str(root),
    }


def read_shard(store: Store, root: Path, pairs: Sequence[Listed]) -> None:
    """Read some pairs, and write the record of their rows or failures; also when interrupted."""
    entries: list[Row] = []
    try:
        for pair in pairs:
            try:
                entries.append({"split": pair.split, "row": read_pair(root, pair)})
            except UserError as error:
                entries.append(_failure(pair, str(error).replace(f"{root}/", "")))
    finally:
        write_record(store, entries)


def read_pair(root: Path, pair: Listed) -> Row:
    """The row of a pair; UserError where it is none, or its pictures differ in size."""
    if pair.problem:
        raise UserError(pair.problem)
    row: Row = {"id": id_of(pair)}
    shapes = []
    for kind, name in (("blur", pair.blur), ("sharp", pair.sharp)):
        path = inside(root, name)
        data = read_bytes(path)
        image = decode(data, str(path))
        shapes.append(image.shape[:2])
        row[f"{kind}_file_name"] = name
        row[f"{kind}_sha256"] = sha256(data)
        row[f"{kind}_pixels"] = pixel_hash(image)
    (height, width), (sharp_height, sharp_width) = shapes
    if shapes[0] != shapes[1]:
        other = f"{pair.sharp} is {sharp_width}x{sharp_height}"
        raise UserError(f"{pair.blur}: {width}x{height} px, but {other}")
    row |= {"width": width, "height": height, "source_id": pair.sharp}
    return row if pair.sequence is None else {**row, "sequence": pair.sequence}


def id_of(pair: Listed) -> str:
    """By the rule of made pairs, from the path of the blurred picture."""
    return pair_id(pair.blur or pair.sharp, pair.split, 0)


def _failure(pair: Listed, error: str) -> Row:
    return failure_entry(pair.split, id_of(pair), pair.blur or pair.sharp, error)
