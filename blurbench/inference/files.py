"""`blurbench deblur`: one picture, or all below a folder, restored into PNG files."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from blurbench.engine import ALONE, Workers
from blurbench.errors import UserError
from blurbench.images import UNREAD_SUFFIXES, find_files, image_files
from blurbench.images.header import Peculiarities
from blurbench.inference.record import Record, how_made
from blurbench.inference.restoring import FileOutcome, PictureToRestore, restore_all
from blurbench.out_folder import refuse_overwriting
from blurbench.progress import progress
from blurbench.runs.tiles import check_tile, overlap
from blurbench.runs.trained import TrainedModel
from blurbench.sources.folders import tell_unread

SHOWN = 3  # names that several pictures would have; the others are counted


@dataclass(frozen=True)
class Deblurred:
    """What `deblur_files` made, and what it could not read."""

    made: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what the user should know, a line each


def deblur_files(
    source: Path,
    model: TrainedModel,
    out: Path,
    *,
    tile: int | None = None,
    tta: bool = False,
    explain: Path | None = None,
    workers: Workers = ALONE,
) -> Deblurred:
    """Restore one picture, or every picture below a folder, as PNG files of the same names.

    `tile` px in place of whole pictures; `explain` is the folder for what the model looked at.
    A second call for a folder goes on: what the same weights made of the same picture stays.
    """
    pictures = pictures_of(source)
    model.model.check_labels()  # before anything is written
    targets = output_paths(source, pictures, out)
    if explain is not None and source.is_dir() and explain.resolve() == source.resolve():
        raise UserError(f"{explain}: holds the pictures to restore; give another --explain")
    if tile is not None:
        check_tile(tile, model.model.multiple, model.name)
    model = replace(model, tile=tile, tta=tta)
    wanted = [
        PictureToRestore(path, target, maps_folder(explain, source, path))
        for path, target in zip(pictures, targets, strict=True)
    ]
    # Of pictures one by one there is no record.
    how = how_made(model) if source.is_dir() else ""
    known = Record(out, how)
    refuse_overwriting(targets, known.has, pictures)
    if out not in targets:  # a folder
        known.claim(targets)
    record = known if how else None
    found = found_again(record, wanted) if record and explain is None else {}
    left = [each for each in wanted if each not in found]
    made = dict(restored(model, left, record, workers, len(found)))
    done = summarise([(found | made)[each] for each in wanted], len(found), model, explain)
    return replace(done, notes=[*done.notes, *unread_note(source)])


def found_again(
    record: Record, wanted: Sequence[PictureToRestore]
) -> dict[PictureToRestore, FileOutcome]:
    """The pictures that need not be restored again."""
    found: dict[PictureToRestore, FileOutcome] = {}
    if not record.lines:
        return found
    with progress("look for what is restored", len(wanted)) as advance:
        for each in wanted:
            if line := record.find(each.path, each.target):
                found[each] = FileOutcome(each, tile=line.tile)
            advance()
    return found


def restored(
    model: TrainedModel,
    wanted: Sequence[PictureToRestore],
    record: Record | None,
    workers: Workers,
    before: int,
) -> Iterator[tuple[PictureToRestore, FileOutcome]]:
    """Restore pictures, with a line each in the record once they are written."""
    with progress("deblur", before + len(wanted), start=before) as advance:
        for each in restore_all(model, wanted, workers, advance):
            if record and not each.failed:
                record.add(each.picture.target, each.source, each.restored, each.tile)
            advance()
            yield each.picture, each


def summarise(
    outcomes: Sequence[FileOutcome], before: int, model: TrainedModel, explain: Path | None
) -> Deblurred:
    """All of it in words."""
    made = [each.picture.target for each in outcomes if not each.failed]
    tiles = Counter(each.tile for each in outcomes if each.tile)
    seen = Peculiarities()
    for each in outcomes:
        seen.add(each.picture.path.name, each.told)
    notes = [*seen.lines(), *tile_notes(tiles, model, len(outcomes))]
    if before:
        notes.append(f"{before} of them were there already, by the same weights")
    if explain is not None:
        maps = sum(each.maps for each in outcomes)
        notes.append(maps_note(maps, model.name, explain, tiles.total()))
    return Deblurred(made, [each.failed for each in outcomes if each.failed], notes)


def maps_folder(explain: Path | None, source: Path, path: Path) -> Path | None:
    """Where what the model looked at in a picture goes."""
    root = source if source.is_dir() else source.parent
    return explain and explain / path.relative_to(root).with_suffix("")


def pictures_of(source: Path) -> list[Path]:
    """The picture, or all below the folder; UserError where there is none."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    pictures = image_files(source) if source.is_dir() else [source]
    if not pictures:
        raise UserError(f"{source}: holds no pictures (jpg, png, webp, tif, bmp, pgm)")
    return pictures


def unread_note(source: Path) -> list[str]:
    """A line for the pictures of a folder that are of kinds which are not read, such as .gif."""
    if not source.is_dir():
        return []
    return [*tell_unread(find_files(source, UNREAD_SUFFIXES).names).values()]


def output_paths(source: Path, pictures: list[Path], out: Path) -> list[Path]:
    """Where each restored picture goes; UserError where one would overwrite another."""
    root = source if source.is_dir() else source.parent
    targets = [output_path(out, source, path.relative_to(root)) for path in pictures]
    refuse_clashes(pictures, targets)
    # The next run would take them for pictures to restore.
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out}: lies in the folder to restore; give an --out outside it")
    return targets


def refuse_clashes(pictures: Sequence[Path], targets: Sequence[Path]) -> None:
    """UserError that names the pictures which would become one file, all at once."""
    becoming: dict[Path, list[Path]] = {}
    for path, target in zip(pictures, targets, strict=True):
        becoming.setdefault(target, []).append(path)
    clashes = [
        f"{', '.join(map(str, paths[:-1]))} and {paths[-1].name} would become one {target.name}"
        for target, paths in becoming.items()
        if len(paths) > 1
    ]
    if clashes:
        more = f"; and {len(clashes) - SHOWN} more such names" if len(clashes) > SHOWN else ""
        told = "; ".join(clashes[:SHOWN])
        raise UserError(
            f"{told}{more}; nothing was restored: rename all but one of each, or move them to"
            " another folder"
        )


def output_path(out: Path, source: Path, name: Path) -> Path:
    """Where a restored picture goes: `out` itself if it names a .png for one picture."""
    if source.is_dir() or not out.suffix:
        return out / name.with_suffix(".png")
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: restored pictures are PNG; name a .png file, or a folder")
    return out


def beside(source: Path, model: TrainedModel) -> Path:
    """A name beside a picture or a folder that nothing has: photo-deblurred.png, or with -2 and on.

    A folder that the same weights began so is gone on with.
    """
    place = source if source.name not in ("", "..") else source.resolve()
    folder = source.is_dir()
    stem, ending = (place.name, "") if folder else (place.stem, ".png")
    names = (f"{stem}-deblurred{f'-{n}' if n > 1 else ''}{ending}" for n in count(1))
    return next(
        path
        for path in map(place.with_name, names)
        if not os.path.lexists(path) or (folder and Record(path, how_made(model)).ours())
    )


def tile_notes(tiles: Counter[int], model: TrainedModel, pictures: int) -> list[str]:
    """One line for each side of tiles that was used."""
    why = "" if model.tile else ": too large for the memory"
    return [
        f"{count} of {pictures} restored in tiles of {side} px that share "
        f"{overlap(side, model.model.multiple)} px{why}"
        for side, count in sorted(tiles.items())
    ]


def maps_note(maps: int, name: str, explain: Path, tiled: int) -> str:
    """What came of --explain."""
    if maps:
        return f"{maps} maps in {explain}" + (f"; none of {tiled} in tiles" if tiled else "")
    return f"{explain}: nothing to show" + (
        f" of {tiled} restored in tiles" if tiled else f"; {name} makes no maps"
    )
