"""Which pairs a data set has: splits, limits and names, by the hash of each source's id alone."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.memory import uncollected
from blurbench.recipes.recipe import Recipe, Recognition
from blurbench.sources.open import SPLITS, Source, SourceItem
from blurbench.words import counted

PROBE, GALLERY = "probe", "gallery"

Chosen = tuple[SourceItem, str]  # with its split


class PairKey(NamedTuple):
    """The names of a pair's random streams: with a purpose, `random.stream(*key, "noise")`."""

    recipe: str
    seed: int
    split: str
    source_id: str
    replica: int


@dataclass(frozen=True, slots=True)
class PairTask:
    """One pair to make; of millions, those of one image share all that they hold."""

    split: str
    stem: str  # of the id
    item: SourceItem
    replica: int

    @property
    def id(self) -> str:
        """`pair_id`."""
        return _numbered(self.stem, self.replica)

    @property
    def source_id(self) -> str:
        """The picture it is made of."""
        return self.item.id


def list_tasks(recipe: Recipe, source: Source, limit: int | None = None) -> list[PairTask]:
    """Every pair of the data set, sorted by split, the first part of the id, and replica."""
    chosen = choose(recipe, source, limit)
    stems = sorted((split, _stem(item.id, split), at) for at, (item, split) in enumerate(chosen))
    with uncollected():  # of 1.7 million it took two thirds of the time
        return [
            PairTask(split, stem, item, replica)
            for split, stem, at in stems
            for item in (chosen[at][0],)
            for replica in range(_replicas(recipe, item, split))
        ]


def _replicas(recipe: Recipe, item: SourceItem, split: str) -> int:
    # A gallery image stays sharp: one pair of it is enough.
    return 1 if item.labels.get("role") == GALLERY else getattr(recipe.replicas, split)


def choose(recipe: Recipe, source: Source, limit: int | None = None) -> list[Chosen]:
    """Source images with their split: as many as the recipe asks for and there are.

    Of these all, or the first `limit` in hash order; then the first image of each split leads, so
    that every split that can have an image has one. With recognition the limit is of identities.
    UserError where there is none, or a group is in two splits.
    """
    if recipe.recognition:
        return _probes_and_gallery(recipe.recognition, source, limit)
    placed = split_by_count(recipe, source.items) if recipe.splits.by == "count" else {}
    items = [
        (item, item.split or placed.get(group_of(recipe, item)) or split_of(recipe, item))
        for item in source.items
    ]
    _refuse_shared(recipe, source.spec, items)
    items = [each for split in SPLITS for each in _asked_for(recipe, split, items)]
    if not items:
        asked = [name for name in SPLITS if getattr(recipe.images, name) != 0]
        raise UserError(
            f"{source.spec}: no image falls into the splits that recipe {recipe.name} makes "
            f"({', '.join(asked)}); put them in folders named like that"
        )
    if limit is None:
        return items
    items = _in_hash_order(items)
    first = {split: item for item, split in reversed(items)}
    items.sort(key=lambda pair: first[pair[1]] is not pair[0])
    return items[:limit]


def shortfall(recipe: Recipe, tasks: Sequence[PairTask]) -> str:
    """What the recipe asks for and the source does not have, in one line; empty for nothing."""
    of_split: dict[str, set[str]] = {split: set() for split in SPLITS}
    for task in tasks:
        of_split[task.split].add(task.item.id)
    asked = {split: getattr(recipe.images, split) for split in SPLITS}
    short = [
        f"{len(of_split[split])} of {count} {split}"
        for split, count in asked.items()
        if count is not None and len(of_split[split]) < count
    ]
    if recipe.recognition:
        found = len({t.item.labels["identity"] for t in tasks})
        if found < recipe.recognition.probes:
            short.append(f"{found} of {recipe.recognition.probes} identities")
    if not short:
        return ""
    # Most who read it blur pictures of their own, and miss nothing.
    meaning = "fine for a set of your own, too few to make the recipe's set again"
    return f"images of those that {recipe.name} is made for: {', '.join(short)}; {meaning}"


def empty_splits(
    recipe: Recipe, source: Source, tasks: Sequence[PairTask], limit: int | None
) -> str:
    """Which splits of the recipe no source image falls into, and the mend; empty for none.

    Of a source that states its splits, what there is was meant.
    """
    if recipe.recognition or all(item.split for item in source.items):
        return ""
    made = {task.split for task in tasks}
    asked = [
        split
        for split in SPLITS
        if getattr(recipe.splits, split) > 0 and getattr(recipe.images, split) != 0
    ]
    empty = [split for split in asked if split not in made]
    if not empty:
        return ""
    mend = (
        "put some in folders train, val and test, or set"
        ' splits.by = "count" in a copy of the recipe'
    )
    found = len({task.source_id for task in tasks})
    if limit and limit < len(asked):
        mend = f"give a --limit of {len(asked)} or more"
    elif recipe.splits.by == "count" or found < len(asked):
        mend = "add pictures"
    sources = counted(found, "picture")
    return f"no pair for {' and '.join(empty)}: {sources} fell to {', '.join(sorted(made))}; {mend}"


def unused_count(recipe: Recipe, source: Source) -> str:
    """That `splits.by = "count"` counts nothing, for the source states every split; else empty."""
    if recipe.splits.by != "count" or not all(item.split for item in source.items):
        return ""
    there = ", ".join(name for name in SPLITS if any(i.split == name for i in source.items))
    return (
        f'splits.by = "count" counts nothing: {source.spec} states the split of every picture'
        f" ({there}); leave it out, or give a folder without those"
    )


def _refuse_shared(recipe: Recipe, spec: str, items: Iterable[Chosen]) -> None:
    """UserError where folders or lists put images of one group into two splits."""
    first: dict[str, Chosen] = {}
    for item, split in items:
        group = group_of(recipe, item)
        other, its_split = first.setdefault(group, (item, split))
        if split != its_split:
            raise UserError(
                f"{spec}: {other.id} is in {its_split} and {item.id} in {split}, but both are of "
                f"{group!r}; keep a clip, identity or folder in one split"
            )


def _asked_for(recipe: Recipe, split: str, items: list[Chosen]) -> list[Chosen]:
    of_split = [each for each in items if each[1] == split]
    count = getattr(recipe.images, split)
    return of_split if count is None else _in_hash_order(of_split)[:count]


def _in_hash_order(items: Iterable[Chosen]) -> list[Chosen]:
    return sorted(items, key=lambda each: place_of("limit", each[0].id))


def _probes_and_gallery(asked: Recognition, source: Source, limit: int | None) -> list[Chosen]:
    """Of each of `limit` identities one probe and its gallery, all for testing."""
    members: dict[str, list[SourceItem]] = defaultdict(list)
    for item, _ in _in_hash_order((item, "test") for item in source.items):
        # A picture of nobody known can be neither.
        if "identity" in item.labels:
            members[str(item.labels["identity"])].append(item)
    each = 1 + asked.gallery
    enough = [name for name in members if len(members[name]) >= each]
    if not enough:
        raise UserError(f"{source.spec}: no identity here has the {each} images that are needed")
    enough.sort(key=lambda name: place_of("identity", name))
    return [
        (_with_role(item, PROBE if place == 0 else GALLERY), "test")
        for name in enough[: asked.probes][:limit]
        for place, item in enumerate(members[name][:each])
    ]


def _with_role(item: SourceItem, role: str) -> SourceItem:
    return replace(item, labels={**item.labels, "role": role})  # type: ignore[type-var]


def split_of(recipe: Recipe, item: SourceItem) -> str:
    """The split its source states, else one by the hash of its group, whatever else there is.

    An image without a group is its own: frames of one clip share a split.
    """
    if item.split:
        return item.split
    place = place_of("split", group_of(recipe, item))
    if place < recipe.splits.train:
        return "train"
    return "val" if place < recipe.splits.train + recipe.splits.val else "test"


def split_by_count(recipe: Recipe, items: Iterable[SourceItem]) -> dict[str, str]:
    """The split of each group whose split the source does not state, in the order of hashes.

    As many of each as the recipe's shares say, but at least one while there are groups enough.
    """
    groups = sorted(
        {group_of(recipe, item) for item in items if not item.split},
        key=lambda group: place_of("split", group),
    )
    shares = {split: getattr(recipe.splits, split) for split in SPLITS}
    counts = dict.fromkeys(SPLITS, 0)
    # The first one trains: a model cannot be tested that has nothing to learn from.
    order = ("train", "test", "val")
    for split in [each for each in order if shares[each] > 0][: len(groups)]:
        counts[split] = 1
    while sum(counts.values()) < len(groups):
        lacking = {split: shares[split] * len(groups) - counts[split] for split in SPLITS}
        counts[max(SPLITS, key=lacking.__getitem__)] += 1
    names = [split for split in SPLITS for _ in range(counts[split])]
    return dict(zip(groups, names, strict=True))


def group_of(recipe: Recipe, item: SourceItem) -> str:
    """What shares a split; the id of an image of its own."""
    folder = item.id.rpartition("/")[0] if recipe.groups == "folder" else ""
    return item.group or folder or item.id


def group_of_row(recipe: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The same of a row of a stored data set, as far as it tells."""
    source: str = row["source_id"]
    folder = source.rpartition("/")[0]
    frames = recipe.get("groups") == "folder" or PurePosixPath(folder).suffix  # of VIDEO.mp4
    known = row.get("sequence") or row.get("identity") or (folder if frames else "")
    return str(known or source)


def held_out(groups: Sequence[str], share: float) -> set[int]:
    """Which pairs are kept from a training: a share of the groups, at least one, by their hashes.

    UserError where that leaves none to train on.
    """
    if not 0 < share < 1:
        raise UserError(f"--hold-out {share}: give a share between 0 and 1")
    places = {group: place_of("hold-out", group) for group in groups}
    held = {group for group, place in places.items() if place < share}
    held = held or {min(places, key=places.__getitem__)}
    if held == set(groups):
        raise UserError(
            f"--hold-out {share}: leaves none of {len(held)} sources to train on; give a smaller"
            " share, or more sources"
        )
    return {index for index, group in enumerate(groups) if group in held}


def place_of(purpose: str, source_id: str) -> float:
    """A place in [0, 1) by the hash of a source's id, another for each purpose."""
    # The purpose goes in: by one hash for all, the first `limit` images would all be for training.
    digest = hashlib.sha256(f"{purpose} {source_id}".encode()).digest()
    # 48 bits, which a float64 holds exactly.
    return int.from_bytes(digest[:6], "big") / 2**48


def pair_id(source_id: str, split: str, replica: int) -> str:
    """Readable and unique, such as "img-103006-1a2b3c4d-r00": no '.', no ' ', a letter first."""
    return _numbered(_stem(source_id, split), replica)


def _numbered(stem: str, replica: int) -> str:
    return f"{stem}-r{replica:02d}"


def _stem(source_id: str, split: str) -> str:
    # Of the file name alone: frames of a video are VIDEO.mp4/000006.
    stem = re.sub(r"\.[^./]*$", "", source_id.removeprefix(f"{split}/"))
    # BasicSR cuts names at dots and blanks; pyarrow takes what looks like a date for one.
    slug = re.sub("[^a-z0-9]+", "-", stem.lower())[-40:].strip("-")
    if not slug[:1].isalpha():
        slug = f"img-{slug}".rstrip("-")
    # Two files may have one slug; eight digits of the hash tell them apart.
    return f"{slug}-{sha256(source_id.encode())[:8]}"
