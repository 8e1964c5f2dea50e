"""Which pairs a data set has: splits, limits and names, by the hash of each source's id alone."""

import hashlib
import re
from dataclasses import dataclass

from blurbench.data.manifest import Recipe
from blurbench.data.sources import Source, SourceItem
from blurbench.files import sha256


@dataclass(frozen=True, slots=True)
class Task:
    """One pair to make."""

    split: str
    id: str
    item: SourceItem
    replica: int


def list_tasks(recipe: Recipe, source: Source, limit: int | None = None) -> list[Task]:
    """Every pair of the data set, sorted by split and id."""
    tasks = [
        Task(split, pair_id(item.id, split, replica), item, replica)
        for item, split in choose(recipe, source, limit)
        for replica in range(getattr(recipe.replicas, split))
    ]
    return sorted(tasks, key=lambda task: (task.split, task.id))


def choose(
    recipe: Recipe, source: Source, limit: int | None = None
) -> list[tuple[SourceItem, str]]:
    """Source images with their split: all, or the first `limit` in hash order.

    The first image of each split leads, so that every split that can have an image has one.
    """
    items = [(item, split_of(recipe, item)) for item in source.items]
    if limit is None:
        return items
    items.sort(key=lambda pair: place_of("limit", pair[0].id))
    first = {split: item for item, split in reversed(items)}
    items.sort(key=lambda pair: first[pair[1]] is not pair[0])
    return items[:limit]


def split_of(recipe: Recipe, item: SourceItem) -> str:
    """The split its source states, else one by the hash of its id, whatever else there is."""
    if item.split:
        return item.split
    place = place_of("split", item.id)
    if place < recipe.splits.train:
        return "train"
    return "val" if place < recipe.splits.train + recipe.splits.val else "test"


def place_of(purpose: str, source_id: str) -> float:
    """A place in [0, 1) by the hash of a source's id, another for each purpose."""
    digest = hashlib.sha256(f"{purpose} {source_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def pair_id(source_id: str, split: str, replica: int) -> str:
    """Readable and unique, such as "img-103006-1a2b3c4d-r00": no '.', no ' ', a letter first."""
    stem = source_id.removeprefix(f"{split}/").rsplit(".", 1)[0]
    slug = re.sub("[^a-z0-9]+", "-", stem.lower())[-40:].strip("-")
    if not slug[:1].isalpha():
        slug = f"img-{slug}".rstrip("-")
    return f"{slug}-{sha256(source_id.encode())[:8]}-r{replica:02d}"
