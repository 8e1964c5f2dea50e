"""What lies in a folder of this machine that a recipe could use; links in it are followed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from blurbench.errors import UserError
from blurbench.images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    Decoding,
    FoundFiles,
    find_files,
    tell_found,
)
from blurbench.sources.frames import VIDEO_SUFFIXES
from blurbench.sources.items import SPLITS, FileItem, PictureItem
from blurbench.sources.labels.attach import WantedLabels
from blurbench.sources.labels.depths import DEPTH_FOLDERS
from blurbench.sources.labels.files import LabelFiles
from blurbench.sources.labels.identities import IDENTITY_FILE
from blurbench.sources.labels.instances import lists_among
from blurbench.sources.labels.mask_files import mask_folders
from blurbench.sources.labels.masks import LAYOUTS, MaskLayout, find_layout, why_unlabelled
from blurbench.stores.folder import Folder
from blurbench.words import counted

LIKE_SPLITS = {*SPLITS, "training", "valid", "validation", "dev", "testing"}  # in small letters
TEXTS = frozenset({PurePosixPath(IDENTITY_FILE).suffix})


@dataclass(frozen=True)
class SourceContents:
    """What lies in a source, of all that a recipe could use."""

    pictures: list[PictureItem]
    files: LabelFiles
    description: dict[str, str]
    videos: list[FileItem] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """One folder of pictures: the root, or a split below it."""

    root: Path
    split: str | None
    layout: MaskLayout | None  # of the labels that lie beside the pictures
    objects: tuple[str, str] | None = None  # folders of pictures and of masks of their objects
    depth: tuple[str, str] | None = None  # of pictures and of their depth maps

    @property
    def folder(self) -> Path:
        return self.root / (self.split or "")

    @property
    def inner(self) -> str:
        """Where the pictures are: only beside labels, whether these are asked for or not."""
        beside = self.objects or self.depth
        images = beside[0] if beside else self.layout.images if self.layout else ""
        return "/".join(filter(None, (self.split or "", images)))

    @property
    def masks(self) -> list[str]:
        """Where masks of objects and depth maps lie."""
        there = [each[1] for each in (self.objects, self.depth) if each]
        return ["/".join(filter(None, (self.split, each))) for each in there]

    def items(
        self, names: Iterable[str], below: str, layout: MaskLayout | None, decoding: Decoding
    ) -> list[FileItem]:
        """The files of those `names` that are `below` a folder."""
        return [
            FileItem(
                _id(self.root, name),
                self.split,
                self.root / name,
                self.folder,
                layout,
                problem=why_unlabelled(layout, self.folder, self.root / name) if layout else None,
                decoding=decoding,
            )
            for name in names
            if name.startswith(f"{below}/" if below else "")
        ]


def read_folder(
    root: Path, wanted: WantedLabels, decoding: Decoding, *, videos: bool
) -> SourceContents:
    """List pictures, files of labels and, if asked for, videos below `root`; opens none.

    UserError where face labels are wanted and not there, or a name is not UTF-8.
    """
    named: list[str | None] = [name for name in SPLITS if (root / name).is_dir()]
    places = [_place(root, split, wanted) for split in named or [None]]
    files = _label_files(root, wanted, [each for place in places for each in place.masks])
    faces = wanted.masks or (wanted.objects and not lists_among(files.names))
    found = find_files(root, IMAGE_SUFFIXES | UNREAD_SUFFIXES, [each.inner for each in places])
    searched, clips = [found], []
    if videos:
        searched.append(find_files(root, VIDEO_SUFFIXES, [each.split or "" for each in places]))
        for each in places:
            clips += each.items(searched[1].names, each.split or "", None, decoding)
    read = [name for name in found.names if _suffix(name) in IMAGE_SUFFIXES]
    pictures: list[PictureItem] = []
    for each in places:
        layout = each.layout if faces and not each.objects else None
        pictures += each.items(read, each.inner, layout, decoding)
    layouts = {each.layout.name if each.layout else "images" for each in places}
    description = {"kind": "folder", "layout": ", ".join(sorted(layouts)), **_left_out(searched)}
    description |= _misnamed(root)
    return SourceContents(pictures, files, description, clips)


def _place(root: Path, split: str | None, wanted: WantedLabels) -> _Place:
    folder = root / (split or "")
    layout = find_layout(folder)
    inside = [path.name for path in folder.iterdir() if path.is_dir()]
    depth = mask_folders(inside, DEPTH_FOLDERS) if wanted.depth else None
    if wanted.objects:
        return _Place(root, split, layout, mask_folders(inside), depth)
    if wanted.masks and layout is None:
        pairs = (f"{each.images}/ beside {each.labels}/ ({each.name})" for each in LAYOUTS)
        raise UserError(f"{folder}: no face labels here; understood are {', '.join(pairs)}")
    return _Place(root, split, layout, None, depth)


def _misnamed(root: Path) -> dict[str, str]:
    """What is told of folders that look like splits and are none, under the key of `NOTES`."""
    strange = sorted(
        path.name for path in root.iterdir() if path.name.lower() in LIKE_SPLITS and path.is_dir()
    )
    strange = [name for name in strange if name not in SPLITS]
    if not strange:
        return {}
    told = f"{counted(len(strange), 'folder')} that may be meant as a split (first: {strange[0]})"
    return {"misnamed": f"{told}; splits are folders named {', '.join(SPLITS)}"}


def _left_out(searched: list[FoundFiles]) -> dict[str, str]:
    """A line for each kind of what is not read, by the kind."""
    told = tell_found(searched)
    return told | tell_unread(searched[0].names)


def tell_unread(names: Sequence[str]) -> dict[str, str]:
    """What is told of pictures of other kinds, under the key of `items.NOTES`."""
    unread = [name for name in names if _suffix(name) in UNREAD_SUFFIXES]
    if not unread:
        return {}
    kinds = f"{counted(len(unread), 'picture')} of kinds that are not read"
    return {"unread": f"{kinds} (first: {unread[0]}); convert them, as to PNG"}


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _label_files(root: Path, wanted: WantedLabels, masks: Sequence[str]) -> LabelFiles:
    names = set(find_files(root, IMAGE_SUFFIXES, masks).names if masks else ())
    if wanted.shots or wanted.captions or wanted.objects:
        paths = [*root.iterdir(), *(root / "annotations").glob("*")]
        names |= {path.relative_to(root).as_posix() for path in paths}
    if wanted.objects:
        paths = [path for split in SPLITS for path in (root / split).glob("*.json")]
        names |= {path.relative_to(root).as_posix() for path in paths}
    if wanted.identities:
        found = find_files(root, TEXTS).names
        names |= {name for name in found if PurePosixPath(name).name == IDENTITY_FILE}
    return LabelFiles(sorted(names), Folder(root))


def _id(root: Path, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"{root}: the file name {name!r} is not UTF-8; rename it") from None
    return name
