"""Index pairs that are there already: every picture is read once, and nothing is copied."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import blurbench
from blurbench.datasets.assemble import SetSummary, Told, assemble, say_problems
from blurbench.datasets.checks import Files
from blurbench.datasets.find_pairs import FoundPair, list_pairs
from blurbench.datasets.format import Row, pixel_hash
from blurbench.datasets.journal import SetRequest
from blurbench.datasets.pair import READ
from blurbench.datasets.records import failed_entry, made_entry
from blurbench.datasets.shard_record import recording
from blurbench.engine import ALONE, Workers
from blurbench.errors import UserError, one_line
from blurbench.files import inside, sha256
from blurbench.images import decode_told, read_bytes
from blurbench.recipes.existing import Existing
from blurbench.sources.open import in_order
from blurbench.stores.open import Place, is_url, open_store
from blurbench.stores.store import Store


def index(
    recipe: Existing,
    spec: str,
    out: Place | Store,
    *,
    notes: Mapping[str, str] | None = None,
    workers: Workers = ALONE,
    shard_size: int = 64,
) -> SetSummary:
    """Index the pairs of the folder `spec` in the folder `out`, or what is missing there.

    notes: what the user says of the pictures, as of `Source.noted`.

    An index whose pictures were moved is pointed to `spec`, where the same pairs lie. UserError
    where nothing of the recipe is there, a list leads out, a picture is in two splits, or `out`
    is a URL or holds anything else.
    """
    store = open_store(out)
    # The root of an index at a URL could name any folder of whoever reads it.
    for place, is_here in ((spec, not is_url(spec)), (store.where(), store.is_here)):
        if not is_here:
            raise UserError(f"{place}: pairs are indexed in a folder of this machine; give one")
    found = list_pairs(recipe, spec)
    pairs, root = found.pairs, Path(spec).absolute()
    return assemble(
        out,
        _request(recipe, root, pairs, notes or {}),
        pairs,
        partial(read_shard, store.absolute(), root),
        verb="index",
        told=Told([*found.notes, *(f"warning: {each}" for each in unexpected(recipe, pairs))]),
        workers=workers,
        shard_size=shard_size,
    )


@dataclass(frozen=True)
class IndexPlan:
    """What `index` would read."""

    counts: dict[str, int]  # blurred pictures by split
    told: Told
    problems: list[str]  # of what is no pair

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, as far as names tell."""
        return not self.problems

    def __str__(self) -> str:
        """A line of counts, and one for each that is not the recipe's."""
        counts = ", ".join(f"{self.counts[split]} {split}" for split in in_order(self.counts))
        read = f"blurred pictures: {counts}; every picture is read once, none is copied"
        return "\n".join([read, *self.told.lines(), *say_problems(self.problems)])


def plan(recipe: Existing, spec: str) -> IndexPlan:
    """Count what `index` would read, by names alone."""
    found = list_pairs(recipe, spec)
    warnings = [f"warning: {each}" for each in unexpected(recipe, found.pairs)]
    problems = [pair.problem for pair in found.pairs if pair.problem]
    return IndexPlan(_count(found.pairs), Told([*found.notes, *warnings]), problems)


def unexpected(recipe: Existing, pairs: Sequence[FoundPair]) -> list[str]:
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


def _count(pairs: Sequence[FoundPair]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for pair in pairs:
        counts[pair.split] += bool(pair.blur)
    return dict(counts)


def _request(
    recipe: Existing, root: Path, pairs: Sequence[FoundPair], notes: Mapping[str, str]
) -> SetRequest:
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
            **notes,
        },
        "root": str(root),
    }


def read_shard(store: Store, root: Path, pairs: Sequence[FoundPair]) -> None:
    """Read some pairs, and write the record of their rows or failures."""
    with recording(store, pairs, str(root)) as record:
        for pair in record.left:
            try:
                entry = made_entry(pair.split, *read_pair(root, pair))
            except UserError as error:
                entry = failed_entry(pair, str(error).replace(f"{root}/", ""))
            except Exception as error:
                entry = failed_entry(pair, one_line(error, pair.source_id))
            record.add(entry)


def read_pair(root: Path, pair: FoundPair) -> tuple[Row, Files]:
    """The row and the files of a pair; UserError where it is none, or its pictures differ."""
    if pair.problem:
        raise UserError(pair.problem)
    row: Row = {"id": pair.id}
    shapes: list[tuple[int, ...]] = []
    files: Files = []
    read: dict[str, None] = {}
    for kind, name in (("blur", pair.blur), ("sharp", pair.sharp)):
        path = inside(root, name, links=True)
        data = read_bytes(path)
        image, told = decode_told(data, str(path))
        read |= dict.fromkeys(told)
        shapes.append(image.shape[:2])
        row[f"{kind}_file_name"] = name
        row[f"{kind}_sha256"] = sha256(data)
        row[f"{kind}_pixels"] = pixel_hash(image)
        files.append((name, len(data)))
    (height, width), (sharp_height, sharp_width) = shapes
    if shapes[0] != shapes[1]:
        other = f"{pair.sharp} is {sharp_width}x{sharp_height}"
        raise UserError(f"{pair.blur}: {width}x{height} px, but {other}")
    row |= {"width": width, "height": height, "source_id": pair.sharp}
    row |= {READ: ", ".join(read)} if read else {}
    return row if pair.sequence is None else {**row, "sequence": pair.sequence}, files
