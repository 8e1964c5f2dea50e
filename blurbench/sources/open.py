"""Where sharp images come from: a folder here or behind a URL, or a built-in source."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from types import ModuleType

from blurbench.errors import UserError
from blurbench.images import AS_STORED, IMAGE_SUFFIXES, Decoding
from blurbench.images.found import SYSTEM
from blurbench.images.header import DECODING
from blurbench.recipes.recipe import Recipe
from blurbench.sources import faces, photos, whole_photos
from blurbench.sources.folders import SourceContents, read_folder, tell_unread
from blurbench.sources.frames import VIDEO_SUFFIXES, WindowSize, folder_windows, video_windows
from blurbench.sources.items import (
    SPLITS,
    FileItem,
    PictureItem,
    Sharp,
    Source,
    SourceItem,
    StoredItem,
    left_out,
)
from blurbench.sources.labels.attach import WantedLabels, label, labels_hash
from blurbench.sources.labels.depths import DEPTH_FOLDERS
from blurbench.sources.labels.files import LabelFiles
from blurbench.sources.labels.mask_files import mask_folders
from blurbench.sources.labels.masks import LAYOUTS
from blurbench.stores.open import is_url, open_store

# Memory that a pair takes, bytes for each pixel of its source: measured at 85 to 101 for motion
# flow on encoded values, 143 on linear light or averaged frames.
ENCODED, LINEAR, FRAME = 105.0, 150.0, 3.0
__all__ = ["SPLITS", "FileItem", "Sharp", "Source", "SourceItem"]


def in_order(splits: Iterable[str]) -> list[str]:
    """Names of splits in the order of `SPLITS`; others last."""
    return sorted(splits, key=lambda split: (*SPLITS, split).index(split))


def open_for(recipe: Recipe, spec: str) -> Source:
    """The source, with the labels and frames that the recipe asks for; errors as of `open_source`.

    UserError too where it has none of what the recipe needs, or a file of labels is broken.
    """
    wanted = WantedLabels.by(recipe)
    if recipe.frames and wanted.names:
        raise UserError(f"{recipe.name}: averaged frames have no {', '.join(wanted.names)}")
    return _open(spec, wanted, recipe.frames, recipe.pictures or "*", decoding_of(recipe))


def decoding_of(recipe: Recipe) -> Decoding:
    """How the pictures of a source are decoded for this recipe."""
    frames = recipe.frames[0] if recipe.frames else 0
    linear = any(each.sensor and each.sensor.light == "linear" for each in recipe.each)
    taken = (LINEAR if frames or linear else ENCODED) + FRAME * frames
    taken = DECODING if recipe.prepare.resize else taken  # small, once it is decoded
    return Decoding(recipe.colour, recipe.depth, taken)


def open_source(spec: str, *, masks: bool = False) -> Source:
    """List a folder, a URL or a built-in source (`BUILTIN`), for no recipe.

    `masks` asks for face labels. UserError in one line where there is nothing to read, or no
    labels that `masks` could use.
    """
    return _open(spec, WantedLabels(masks), None, "*")


def _open(
    spec: str,
    wanted: WantedLabels,
    frames: WindowSize | None,
    pattern: str,
    decoding: Decoding = AS_STORED,
) -> Source:
    if spec.startswith("builtin:"):
        return _builtin(spec, wanted, frames)
    if is_url(spec):
        listed = _stored(spec, wanted, decoding)
    else:
        listed = _folder(spec, wanted, frames, decoding)
    pictures = [each for each in listed.pictures if fnmatch(each.id, pattern)]
    videos = [each for each in listed.videos if fnmatch(each.id, pattern)]
    if not pictures and not videos:
        known = ", ".join(sorted(each[1:] for each in VIDEO_SUFFIXES))
        clips = f" and no videos ({known})" if frames else ""
        named = "" if pattern == "*" else f" named like {pattern}"
        why = "".join(f"; {each}" for each in left_out(listed.description))
        raise UserError(
            f"{spec}: no pictures here{named} (jpg, png, webp, tif, bmp, pgm, ppm){clips}{why}"
        )
    items: list[SourceItem]
    if frames:
        items, words = _windows(pictures, videos, frames)
    else:
        labelled, words = label(spec, pictures, listed.files, wanted)
        items = [*labelled]
    items.sort(key=lambda item: item.id)
    return Source(spec, tuple(items), {**listed.description, **words, **_counts(items)})


def _windows(
    pictures: Sequence[PictureItem], videos: Sequence[FileItem], frames: WindowSize
) -> tuple[list[SourceItem], dict[str, str]]:
    items = folder_windows(pictures, frames)
    items += [
        each
        for video in videos
        for each in video_windows(video.id, video.split, video.path, frames)
    ]
    return items, {"clips": str(len({item.group for item in items}))}


def _builtin_names() -> str:
    return " or ".join(BUILTIN)


def _builtin(spec: str, wanted: WantedLabels, frames: WindowSize | None) -> Source:
    if spec not in BUILTIN:
        raise UserError(f"{spec}: no such built-in source; there are {_builtin_names()}")
    module = BUILTIN[spec]
    if wanted.masks and "face labels" not in module.HAS:
        raise UserError(f"{spec}: has no face labels; use builtin:procedural-faces")
    lacking = ["clips of frames"] if frames else [n for n in wanted.names if n not in module.HAS]
    if lacking:
        raise UserError(f"{spec}: has no {lacking[0]}; give a folder of your own")
    items = tuple(module.items(wanted))
    hashed = labels_hash(items) if any(item.labels for item in items) else {}
    return Source(spec, items, {"kind": module.KIND, **hashed, **_counts(items)})


def _folder(
    spec: str, wanted: WantedLabels, frames: WindowSize | None, decoding: Decoding
) -> SourceContents:
    root = Path(spec).absolute()
    if not root.exists():
        raise UserError(f"{spec}: no such folder; give a folder of pictures, or {_builtin_names()}")
    if not root.is_dir():
        raise UserError(f"{spec}: not a folder; give the folder that holds the pictures")
    return read_folder(root, wanted, decoding, videos=frames is not None)


def _stored(spec: str, wanted: WantedLabels, decoding: Decoding) -> SourceContents:
    """The files behind a URL, in the layouts of folders."""
    store = open_store(spec)
    if wanted.masks:
        raise UserError(f"{store.where()}: face labels are read from folders of this machine only")
    names = [name for name in store.names() if not _is_hidden(name)]
    named = {
        f"{split}/": split for split in SPLITS if any(n.startswith(f"{split}/") for n in names)
    }
    folders: dict[str, str | None] = {**named} or {"": None}
    pictures: list[PictureItem] = []
    for folder, split in folders.items():
        inside = [n.removeprefix(folder) for n in names if n.startswith(folder)]
        inner = folder + _images_folder(inside, wanted)
        pictures += [
            StoredItem(name, split, store, decoding=decoding)
            for name in names
            if name.startswith(inner) and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
        ]
    read = [name for name in names if name.startswith(tuple(folders))]
    return SourceContents(pictures, LabelFiles(names, store), {"kind": "URL", **tell_unread(read)})


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part.lower() in SYSTEM for part in name.split("/"))


def _images_folder(names: Sequence[str], wanted: WantedLabels) -> str:
    """Where the pictures are that have labels beside them, such as "images/"; "" for anywhere."""
    folders = {name.split("/")[0] for name in names if "/" in name}
    if wanted.objects and (there := mask_folders(folders)):
        return f"{there[0]}/"
    if wanted.depth and (there := mask_folders(folders, DEPTH_FOLDERS)):
        return f"{there[0]}/"
    fitting = (each for each in LAYOUTS if {each.images, each.labels} <= folders)
    return next((f"{each.images}/" for each in fitting), "")


def _counts(items: Sequence[SourceItem]) -> dict[str, str]:
    counts = Counter(item.split or "no split stated" for item in items)
    return {"images": str(len(items)), **{name: str(n) for name, n in sorted(counts.items())}}


# Name -> the module that lists (items), reads (load) and describes (KIND, HAS) it.
BUILTIN: dict[str, ModuleType] = {
    "builtin:photos": photos,
    "builtin:whole-photos": whole_photos,
    "builtin:procedural-faces": faces,
}
