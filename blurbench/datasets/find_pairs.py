"""Which pictures of a folder are pairs, by their paths or by a list; no picture is opened."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from posixpath import normpath, splitext

from blurbench.datasets.splits import pair_id
from blurbench.errors import UserError
from blurbench.files import decode_text, inside, read_regular
from blurbench.images import IMAGE_SUFFIXES, find_files, tell_found
from blurbench.recipes.existing import Existing, PairPaths, fill, pattern
from blurbench.sources.open import SPLITS


@dataclass(frozen=True)
class FoundPair:
    """A pair, or what is lacking of it; paths are relative to the root, with their suffixes."""

    split: str
    blur: str
    sharp: str
    sequence: str | None = None  # None where the layout has none
    problem: str = ""  # why it is no pair

    @property
    def id(self) -> str:
        """By the rule of made pairs, from the path of the blurred picture."""
        return pair_id(self.source_id, self.split, 0)

    @property
    def source_id(self) -> str:
        """The blurred picture; the sharp one where that is all there is."""
        return self.blur or self.sharp


@dataclass(frozen=True)
class PictureTree:
    """The pictures below a root."""

    root: Path
    stems: dict[str, list[str]]  # path without suffix -> paths, both sorted
    notes: list[str]  # what was not read, a line each

    def has(self, path: str) -> bool:
        """Whether this picture is there."""
        return path in self.stems.get(splitext(path)[0], ())


@dataclass(frozen=True)
class FoundPairs:
    """What a folder holds of a recipe of pairs."""

    pairs: list[FoundPair]  # sorted by split and path, with what has no counterpart
    notes: list[str]  # what was not read, a line each


def list_pairs(recipe: Existing, spec: str) -> FoundPairs:
    """Every pair of the folder `spec`; links in it are followed.

    UserError where there is no pair, where a list leads out of the folder, where a folder cannot
    be read, or where a picture is in two splits.
    """
    root = Path(spec)
    if not root.is_dir():
        raise UserError(f"{spec}: no such folder; give the one that holds {recipe.layout}")
    tree = read_tree(root)
    found = [pair for each in recipe.places if each.list_file for pair in _of_lists(each, tree)]
    found += _of_paths(tuple(each for each in recipe.places if not each.list_file), tree)
    found = sorted(set(found), key=lambda pair: (pair.split, pair.blur, pair.sharp))
    if all(pair.problem for pair in found):
        first = next((f" (such as {pair.problem})" for pair in found if pair.blur), "")
        raise UserError(f"{spec}: holds no pair of {recipe.name}{first}, which is {recipe.layout}")
    for one, other in pairwise(found):
        if one.blur and (one.split, one.blur) == (other.split, other.blur):
            raise UserError(f"{spec}: {one.blur} is in two pairs: {one.sharp} and {other.sharp}")
    _refuse_leak(spec, found)
    return FoundPairs(found, tree.notes)


def _refuse_leak(spec: str, pairs: Iterable[FoundPair]) -> None:
    # Models would be tested on what they were trained on.
    split_of: dict[str, str] = {}
    for pair in pairs:
        for name in filter(None, (pair.blur, pair.sharp)):
            other = split_of.setdefault(name, pair.split)
            if other != pair.split:
                both = f"is in pairs of {pair.split} and of {other}"
                raise UserError(f"{spec}: {name} {both}; a picture goes to one split only")


def read_tree(root: Path) -> PictureTree:
    """The pictures below `root`, hidden ones aside; of links to nothing, reading them tells.

    UserError where a folder cannot be read, or a name is not UTF-8.
    """
    found = find_files(root, IMAGE_SUFFIXES)
    told = tell_found([found])
    # Passed over, it would make another data set.
    if "closed" in told:
        raise UserError(f"{root}: {told['closed']}")
    stems: dict[str, list[str]] = defaultdict(list)
    for name in [*found.names, *found.lost.get("broken", ())]:
        stem, suffix = splitext(name)
        if suffix:
            _refuse_other_names(root, stem)
            stems[stem].append(name)
    notes = [told[kind] for kind in ("linked", "again", "system") if kind in told]
    return PictureTree(root, {stem: sorted(stems[stem]) for stem in sorted(stems)}, notes)


def _refuse_other_names(root: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"{root}: the file name {name!r} is not UTF-8; rename it") from None


def _of_paths(places: tuple[PairPaths, ...], tree: PictureTree) -> Iterator[FoundPair]:
    """The pairs that the paths themselves tell, and the pictures that have no counterpart."""
    alone: dict[str, str] = {}  # path without suffix of what may be a sharp picture -> split
    used: set[str] = set()
    for stem, paths in tree.stems.items():
        found = _first(places, stem)
        if found is None:
            if split := _split_of_sharp(places, stem):
                alone[stem] = split
            continue
        each, fields = found
        sharp = fill(each.sharp, fields)
        used.add(sharp)
        yield from (_pair(each, fields, blur, sharp, tree) for blur in paths)
    for stem in alone.keys() - used:
        for path in tree.stems[stem]:
            yield FoundPair(alone[stem], "", path, problem=f"{path}: no blurred counterpart")


def _first(places: tuple[PairPaths, ...], stem: str) -> tuple[PairPaths, dict[str, str]] | None:
    """The first layout that has a blurred picture here, and the fields of its path."""
    for each in places:
        if match := pattern(each.blur).fullmatch(stem):
            return each, match.groupdict()
    return None


def _split_of_sharp(places: tuple[PairPaths, ...], stem: str) -> str | None:
    """The split of a sharp picture, the first of those that share it; None for any other."""
    for each in places:
        if match := pattern(each.sharp).fullmatch(stem):
            return each.split or match.groupdict().get("split", SPLITS[0])
    return None


def _pair(
    each: PairPaths, fields: dict[str, str], blur: str, sharp: str, tree: PictureTree
) -> FoundPair:
    there = tree.stems.get(sharp, [])
    problem = ""
    if not there:
        problem = f"{blur}: no sharp counterpart {sharp}{splitext(blur)[1]}"
    elif len(there) > 1:
        problem = f"{blur}: several sharp counterparts, {' and '.join(there)}; keep one"
    split = each.split or fields["split"]
    return FoundPair(split, blur, "".join(there[:1]), fields.get("sequence"), problem)


def _of_lists(each: PairPaths, tree: PictureTree) -> Iterator[FoundPair]:
    """The pairs in the list files of a layout, in those that are there."""
    for split in [each.split] if each.split else SPLITS:
        path = inside(tree.root, fill(each.list_file or "", {"split": split}))
        if not path.is_file():
            continue
        lines = decode_text(read_regular(path), str(path)).splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                sharp, blur = _two_paths(tree.root, line, f"{path}: line {number}")
                yield _listed(each, split, sharp, blur, tree)


def _two_paths(root: Path, line: str, where: str) -> tuple[str, str]:
    """What a line of a list names; UserError where that is not two paths inside the root."""
    paths = [normpath(path) for path in line.replace("\\", "/").split()[:2]]
    if len(paths) < 2:
        raise UserError(f"{where}: needs a sharp and a blurred path, with a space between")
    for path in paths:
        try:
            inside(root, path)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    return paths[0], paths[1]


def _listed(each: PairPaths, split: str, sharp: str, blur: str, tree: PictureTree) -> FoundPair:
    match = pattern(each.blur).fullmatch(splitext(blur)[0])
    missing = [path for path in (blur, sharp) if not tree.has(path)]
    if match is None:
        return FoundPair(split, blur, sharp, problem=f"{blur}: not laid out as {each.blur}")
    problem = f"{missing[0]}: listed for {split}, but not there" if missing else ""
    return FoundPair(split, blur, sharp, match.groupdict().get("sequence"), problem)
