"""`blurbench deblur`: one picture, or all below a folder, restored into PNG files."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from blurbench.errors import UserError, one_line
from blurbench.files import write_bytes
from blurbench.images import BadImage, encode, image_files, read_image
from blurbench.inference.maps import write_maps
from blurbench.progress import Advance, progress
from blurbench.runs.tiles import check_tile, overlap
from blurbench.runs.trained import TrainedModel


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
) -> Deblurred:
    """Restore one picture, or every picture below a folder, as PNG files of the same names.

    `tile` px in place of whole pictures; `explain` is the folder for what the model looked at.
    """
    pictures = pictures_of(source)
    targets = output_paths(source, pictures, out)
    if explain is not None and source.is_dir() and explain.resolve() == source.resolve():
        raise UserError(f"{explain}: holds the pictures to restore; give another --explain")
    if tile is not None:
        check_tile(tile, model.model.multiple, model.name)
    model = replace(model, tile=tile, tta=tta)
    result, tiles, maps = Deblurred(), Counter[int](), 0
    with progress("deblur", len(pictures)) as advance:
        for path, target in zip(pictures, targets, strict=True):
            try:
                blur = read_image(path)
                restored = model.restore(blur, tell_tiles(advance))
                write_bytes(target, encode(restored.image))
                result.made.append(target)
                if restored.tile:
                    tiles[restored.tile] += 1
                # What is too large to restore whole is too large to explain whole.
                if explain is not None and not restored.tile:
                    name = path.relative_to(source if source.is_dir() else source.parent)
                    maps += write_maps(model, blur, explain / name.with_suffix(""))
            except BadImage as error:
                result.failed.append(str(error))
            except (RuntimeError, MemoryError) as error:  # too large for this device
                result.failed.append(one_line(error, str(path)))
            advance()
    result.notes.extend(tile_notes(tiles, model, len(pictures)))
    if explain is not None:
        result.notes.append(maps_note(maps, model.name, explain, sum(tiles.values())))
    return result


def pictures_of(source: Path) -> list[Path]:
    """The picture, or all below the folder; UserError where there is none."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    pictures = image_files(source) if source.is_dir() else [source]
    if not pictures:
        raise UserError(f"{source}: holds no pictures (jpg, png, webp, tif, bmp, pgm)")
    return pictures


def output_paths(source: Path, pictures: list[Path], out: Path) -> list[Path]:
    """Where each restored picture goes; UserError where one would overwrite another."""
    root = source if source.is_dir() else source.parent
    targets = [output_path(out, source, path.relative_to(root)) for path in pictures]
    if len(set(targets)) < len(targets):
        raise UserError(f"{source}: pictures that differ only by suffix would overwrite each other")
    if {path.resolve() for path in targets} & {path.resolve() for path in pictures}:
        raise UserError(f"{out}: would overwrite the pictures to restore; give another --out")
    return targets


def output_path(out: Path, source: Path, name: Path) -> Path:
    """Where a restored picture goes: `out` itself if it names a .png for one picture."""
    if source.is_dir() or not out.suffix:
        return out / name.with_suffix(".png")
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: restored pictures are PNG; name a .png file, or a folder")
    return out


def tell_tiles(advance: Advance) -> Callable[[int, int], None]:
    """Tiles as notes beside the count of pictures, where a picture has several."""

    def tell(done: int, total: int) -> None:
        if done < total:
            advance(0, f"tile {done} of {total}")

    return tell


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
