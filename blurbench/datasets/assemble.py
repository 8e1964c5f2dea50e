"""What making a data set and indexing one share: take up what is there, make the rest, finish."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import cv2

from blurbench.datasets.card import write_card
from blurbench.datasets.checks import check_line, find_damage
from blurbench.datasets.format import (
    CHECKS,
    DATASET,
    FAILURES,
    MEND,
    METADATA,
    SHOWN_FAILURES,
    WORK,
    Description,
    Digest,
    Row,
    document,
    located,
    read_description,
    read_whole,
)
from blurbench.datasets.journal import (
    PLAN,
    SetRequest,
    outdated,
    refuse_changed_sources,
    refuse_strangers,
    remove_leftovers,
    work_folder,
    write_record,
)
from blurbench.datasets.pair import told_of
from blurbench.datasets.records import (
    PairT,
    Records,
    failed_entry,
    forget,
    read_records,
    still_open,
)
from blurbench.engine import Workers, run_items
from blurbench.errors import UserError
from blurbench.images.header import Peculiarities
from blurbench.out_folder import Claim, refuse
from blurbench.progress import progress, tell
from blurbench.recipes.recipe import PROSE
from blurbench.sources.items import SourceItem
from blurbench.sources.open import in_order
from blurbench.stores.open import Place, open_store
from blurbench.stores.store import Store
from blurbench.words import counted

USER_NOTES = ("source_note", "licence_note")  # of the source, which make no other set
# A run that could not make one pair leaves the list of its failures alone.
CLAIM = Claim("a data set", (PLAN, DATASET), frozenset({FAILURES}))


@dataclass(frozen=True)
class Told:
    """What the user is to know of a source, a line each."""

    notes: list[str] = field(default_factory=list)  # where it is not what the recipe asks for
    lacks: list[str] = field(default_factory=list)  # likewise, and the exit code is 1 for it

    def lines(self) -> list[str]:
        """All of it."""
        return [*self.lacks, *self.notes]


@dataclass(frozen=True)
class SetSummary:
    """What a run of `synthesize` has to say."""

    out: Place | Store
    verb: str  # make or index
    made: int  # pairs of this run; the others were there already
    counts: dict[str, int]  # pairs of the whole set, by split
    digest: str
    failures: list[Row]  # the rows of failures.jsonl
    told: Told

    @property
    def failed(self) -> int:
        """Number of inputs that could not be used."""
        return len(self.failures)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing of what was asked for."""
        return not self.failures and not self.told.lacks

    def __str__(self) -> str:
        """Some lines for the terminal."""
        store = open_store(self.out)
        done = {"make": "made", "index": "indexed"}[self.verb]
        made = f"{self.made} {done} now" if self.made else f"nothing was left to {self.verb}"
        lines = [f"{store.where()}: {say_counts(self.counts)}; {made}", f"digest {self.digest}"]
        lines += self.told.lines()
        where = f", see {store.where(FAILURES)}"
        return "\n".join([*lines, *say_problems([row["error"] for row in self.failures], where)])


def say_counts(counts: dict[str, int]) -> str:
    """Such as "12 pairs (9 train, 3 test)"."""
    by_split = ", ".join(f"{counts[split]} {split}" for split in in_order(counts))
    return f"{counted(sum(counts.values()), 'pair')} ({by_split})" if counts else "no pairs"


def say_problems(problems: Sequence[str], where: str = "") -> list[str]:
    """How many inputs failed, `where` to read more, and the first of them."""
    if not problems:
        return []
    head = f"{counted(len(problems), 'input')} failed{where}"
    return [head, *(f"  {each}" for each in problems[:SHOWN_FAILURES])]


def assemble(
    out: Place | Store,
    request: SetRequest,
    pairs: Sequence[PairT],
    make: Callable[[Sequence[PairT]], None],
    *,
    items: Sequence[SourceItem] = (),
    verb: str,
    told: Told,
    workers: Workers,
    shard_size: int,
) -> SetSummary:
    """Make those of all `pairs` of a data set that `out` lacks, and finish it.

    `make`, picklable, makes some pairs and keeps their record (`shard_record`). `items` are what
    they are made of. UserError where `out` holds anything but this data set, or another run is
    writing there.
    """
    store = open_store(out)
    there = refuse_other(store, request)
    request = _with_notes(request, there)
    if there and is_finished(store, there.model_copy(update={"root": request.get("root")})):
        _update(store, there, request)
        return SetSummary(out, verb, 0, there.counts, there.digest, [], told)
    with work_folder(store, request, partial(refuse_other, store, request)) as copies:
        found = read_records(store, copies, pairs, request.get("root"))
        refuse_strangers(store, found)
        if changed := outdated(store, found, items):
            first = next(iter(changed.values()))
            which = f"{counted(len(changed), 'pair')} of pictures that were changed since"
            tell(f"{which} (first: {first}), made again")
            forget(store, changed)
            found = read_records(store, copies, pairs, request.get("root"))
        left, before = found.left(), found.made
        del found  # `finish` reads them again
        unmade = partial(still_open, store, root=request.get("root"))
        label = {"make": "synthesize"}.get(verb, verb)
        with progress(label, len(pairs), start=len(pairs) - len(left)) as advance:
            killers = run_items(
                make, left, advance, most=shard_size, workers=workers, still_open=unmade
            )
        killed = "kills its process"
        write_record(store, [failed_entry(p, f"{p.source_id}: {killed}") for p in killers])
        seen = Peculiarities()
        whole, failures = finish(store, copies, request, pairs, items, seen)
    made = sum(whole.counts.values()) - before
    told = replace(told, notes=[*told.notes, *seen.lines()])
    return SetSummary(out, verb, made, whole.counts, whole.digest, failures, told)


def refuse_other(store: Store, request: SetRequest) -> Description | None:
    """The description of the set that was asked for; None where it was begun at most.

    UserError where the store holds anything else.
    """
    name = CLAIM.find(store)
    if name is None:
        return None
    description = read_description(store) if name == DATASET else None
    there = description.model_dump() if description else read_whole(store, name)
    try:
        why = _difference(there, request)
    except (KeyError, TypeError, AttributeError):
        unread = "what it was made of is no longer readable"
        raise UserError(f"{store.where()}: {unread}; {MEND}") from None
    if why:
        refuse(store, why)
    return description


def _difference(there: SetRequest, wanted: SetRequest) -> str:
    """What makes it another data set than the wanted one; empty for nothing."""
    recipes = [
        {key: value for key, value in each["recipe"].items() if key not in PROSE}
        for each in (there, wanted)
    ]
    if recipes[0] != recipes[1]:
        return "was made with another recipe, or before its recipe was changed"
    for name in ("seed", "limit", "image_format", "blurbench"):
        if there[name] != wanted[name]:
            return f"was made with {name} {there[name]}, not {wanted[name]}"
    for name, package in wanted.get("plugins", {}).items():
        if package != (before := there.get("plugins", {}).get(name, "another package")):
            return f"was made with {name} of {before}, not of {package}"
    old, new = there["source"], wanted["source"]
    if old["ids_sha256"] != new["ids_sha256"]:
        return (
            f"was made from another list of images ({old['images']} then, {new['images']} now), or "
            "they were in other splits or groups"
        )
    same = old.get("labels_sha256") == new.get("labels_sha256")
    return "" if same else "the labels were changed since"


def is_finished(store: Store, description: Description) -> bool:
    """Whether there is nothing to make, to try again or to clean up; pictures are not opened."""
    if description.failed or store.exists(WORK):
        return False
    return next(find_damage(store, description), None) is None


def _with_notes(request: SetRequest, there: Description | None) -> SetRequest:
    """The request with what its user said of the pictures before, and does not say otherwise."""
    before = there.source if there else {}
    kept = {name: before[name] for name in USER_NOTES if name in before}
    return {**request, "source": {**kept, **request["source"]}}


def _update(store: Store, there: Description, request: SetRequest) -> None:
    """Note where the pictures of an index lie now, and what is newly said of a finished set."""
    said = {name: request["source"][name] for name in USER_NOTES if name in request["source"]}
    changes = {"root": request.get("root"), "source": {**there.source, **said}}
    changed = there.model_copy(update=changes)
    if changed == there:
        return
    if changed.source != there.source:
        write_card(store, changed)
    store.write_json(DATASET, document(changed))


def finish(
    store: Store,
    copies: Path,
    request: SetRequest,
    pairs: Sequence[PairT],
    items: Sequence[SourceItem],
    seen: Peculiarities,
) -> tuple[Description, list[Row]]:
    """Assemble metadata and failures from the records, write dataset.json last, clean up.

    `seen` is shown every row.

    UserError where no pair could be made. And where the records are not those of all `pairs`, or
    of another request: behind a URL, where nothing keeps a second run out, it may have finished
    and taken the records of this one. And where a source was changed meanwhile, or a finished set
    would become another one.
    """
    refuse_other(store, request)
    found = read_records(store, copies, pairs, request.get("root"))
    if found.made + len(found.lost()) < len(pairs):
        what = "what was made is no longer there, as where two runs write at once"
        raise UserError(f"{store.where()}: {what}; run the same command again")
    if changed := outdated(store, found, items):
        what = f"{next(iter(changed.values()))} was changed while its pairs were made"
        raise UserError(f"{store.where()}: {what}; run the same command again")
    if request.get("root") is None:
        refuse_changed_sources(store, found)
    remove_leftovers(store, found)
    failures = found.failures()
    if not found.made:
        _give_up(store, failures)
    counts, digest = found.counts(), Digest()
    hashes = {
        split: store.write_lines(f"{split}/{METADATA}", _added(found, split, digest, seen))
        for split in counts
    }
    if failures:
        store.write_rows(FAILURES, failures)
    else:
        store.remove(FAILURES)
    description = Description(
        **request,
        made_with=_libraries() | _packages(request),
        counts=counts,
        failed=len(failures),
        metadata_sha256=hashes,
        digest=digest.hexdigest(),
        checks_sha256=store.write_rows(CHECKS, _checks(store, found, request.get("root"))),
    )
    # Before dataset.json: whoever finds that finds a whole set.
    write_card(store, description)
    store.write_json(DATASET, document(description))
    store.clear(WORK)
    return description, failures


def _added(
    found: Records[PairT], split: str, digest: Digest, seen: Peculiarities
) -> Iterator[bytes]:
    """The lines of a split's rows, each added to the digest as it passes, and to what is told."""
    for row, _, line in found.rows(split):
        digest.add(split, row)
        seen.add(str(row.get("source_id", row["id"])), told_of(row))
        yield line


def _checks(store: Store, found: Records[PairT], root: str | None) -> Iterator[Row]:
    size_of = located(store, root, "")[0].sizes()
    for split in found.counts():
        _, folder = located(store, root, split)
        for row, files, line in found.rows(split):
            yield check_line(split, row, line, size_of, files, folder)


def _give_up(store: Store, failures: list[Row]) -> NoReturn:
    # No data set: nothing could load one without pairs. The next run may be of another recipe.
    store.write_rows(FAILURES, failures)
    store.clear(WORK)
    first = f"no pair could be made; the first: {failures[0]['error']}"
    raise UserError(f"{store.where()}: {first} (see {FAILURES})")


def _packages(request: SetRequest) -> dict[str, str]:
    """Those of the families: name -> version."""
    origins = request.get("plugins", {}).values()
    return {package: version for package, _, version in (each.partition(" ") for each in origins)}


def _libraries() -> dict[str, str]:
    # OpenCV is installed as one of two packages, so it is asked itself.
    known = {name: version(name) for name in ("numpy", "numba", "pillow")}
    return {**known, "opencv": cv2.__version__}
