"""What a source offers: images that are listed cheaply and read one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import AS_STORED, BadImage, Decoding, decode_told, read_bytes
from blurbench.sources.labels.depths import DepthFile
from blurbench.sources.labels.masks import MaskLayout, read_mask
from blurbench.sources.labels.objects import ObjectMasks
from blurbench.stores.store import Store

# Columns that a source gives to the rows of its images: captions, shot_type, identity, ...
Labels = dict[str, Any]
SPLITS = ("train", "val", "test")
# Of a source's description: what its user must know, and what is missing of what was asked for.
NOTES = ("linked", "again", "system", "misnamed", "unread", "objects_aside")
LACKS = ("broken", "closed", "captions_unread", "captions_lost", "objects_lost", "depth_lost")


@dataclass(frozen=True)
class Sharp:
    """One loaded source image."""

    image: np.ndarray  # (H, W, 3) uint8 RGB; uint16 where the recipe keeps 16 bits
    # (H, W) uint8 labels: 0..3 background, skin, parts, hair; or 0 and its objects.
    mask: np.ndarray | None
    sha256: str  # of the file's bytes; of the pixels where there is no file
    frames: np.ndarray | None = None  # (N, H, W, 3) uint8 RGB, `image` in the middle
    labels: Labels = field(default_factory=dict)  # columns of its rows
    told: tuple[str, ...] = ()  # what is to be told of its file: keys of images.header.TOLD
    times: np.ndarray | None = None  # (N,) s, when the frames of a video are shown
    depth: np.ndarray | None = None  # (H, W) uint16, where the recipe asks for maps


class SourceItem(Protocol):
    """One image that a source offers: cheap, picklable, read only by `load`."""

    @property
    def id(self) -> str:
        """Path relative to the root, or such as "coffee/03"."""

    @property
    def split(self) -> str | None:
        """Train, val or test; None where the source states no split."""

    @property
    def group(self) -> str | None:
        """What shares one split, such as a clip; None for an image of its own."""

    @property
    def labels(self) -> Labels:
        """Columns of its rows, known without reading it."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be used, where that is known before it is read."""

    def load(self) -> Sharp:
        """Read or draw it; BadImage or UserError with one line that names the file."""

    def file_hash(self) -> str | None:
        """The `sha256` of `load`, undecoded; None where it takes decoding. Errors as of `load`."""

    def files(self) -> tuple[Path, ...]:
        """Files of this machine that its `sha256` is of."""


def left_out(description: dict[str, str], kinds: Sequence[str] = (*LACKS, *NOTES)) -> list[str]:
    """What a source's description tells of what is not read, a line each."""
    return [description[name] for name in kinds if name in description]


@dataclass(frozen=True)
class Source:
    """A listed source; nothing in it has been decoded yet."""

    spec: str  # as the user gave it
    items: tuple[SourceItem, ...]  # sorted by id
    description: dict[str, str]  # what was found, and how; never a path of this machine

    def noted(self, notes: Mapping[str, str]) -> "Source":
        """With what its user says of it: `source_note` and `licence_note`, for the card."""
        return replace(self, description={**self.description, **notes})

    @property
    def notes(self) -> list[str]:
        """What was left out of it, and why, a line each."""
        return left_out(self.description, NOTES)

    @property
    def lacks(self) -> list[str]:
        """What it lacks of what is asked for, a line each; the exit code is then 1."""
        return left_out(self.description, LACKS)


@dataclass(frozen=True)
class FileItem:
    """A picture file, with its labels where `layout` says how to find them below `folder`."""

    id: str
    split: str | None
    path: Path
    folder: Path
    layout: MaskLayout | None
    group: str | None = None
    labels: Labels = field(default_factory=dict)
    problem: str | None = None  # why it cannot be used, known before it is read
    decoding: Decoding = AS_STORED
    objects: ObjectMasks | None = None
    depth: DepthFile | None = None

    def load(self) -> Sharp:
        """Decode the file and its labels; errors name files relative to the root."""
        refuse_problem(self.id, self.problem)
        try:
            return self._load()
        except UserError as error:
            root = str(self.path).removesuffix(self.id)
            raise BadImage(str(error).replace(root, "")) from None

    def file_hash(self) -> str:
        """Of the file's bytes."""
        refuse_problem(self.id, self.problem)
        return sha256(read_bytes(self.path))

    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def _load(self) -> Sharp:
        data = read_bytes(self.path)
        image, told = decode_told(data, str(self.path), self.decoding)
        mask = None
        if self.layout:
            mask = read_mask(self.layout, self.folder, self.path, image.shape[:2])
        if self.objects:
            mask = self.objects.draw(self.id, (image.shape[0], image.shape[1]))
        depth = self.depth.read(image.shape[:2]) if self.depth else None
        return Sharp(image, mask, sha256(data), labels=self.labels, told=told, depth=depth)


@dataclass(frozen=True)
class StoredItem:
    """A picture behind a URL, named `id` there."""

    id: str
    split: str | None
    store: Store
    group: str | None = None
    labels: Labels = field(default_factory=dict)
    problem: str | None = None  # why it cannot be used, known before it is read
    decoding: Decoding = AS_STORED
    objects: ObjectMasks | None = None
    depth: DepthFile | None = None

    def load(self) -> Sharp:
        """Fetch and decode it."""
        data = self._read()
        image, told = decode_told(data, self.id, self.decoding)
        size = image.shape[0], image.shape[1]
        mask = self.objects.draw(self.id, size) if self.objects else None
        depth = self.depth.read(size) if self.depth else None
        return Sharp(image, mask, sha256(data), labels=self.labels, told=told, depth=depth)

    def file_hash(self) -> str:
        """Of the object's bytes."""
        return sha256(self._read())

    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def _read(self) -> bytes:
        refuse_problem(self.id, self.problem)
        try:
            return self.store.read(self.id)
        except OSError as error:
            raise BadImage(f"{self.id}: cannot be read ({error.strerror})") from None


PictureItem = FileItem | StoredItem


def refuse_problem(id: str, problem: str | None) -> None:
    """BadImage where it was known before reading that a picture cannot be used."""
    if problem:
        raise BadImage(f"{id}: {problem}")


@dataclass(frozen=True)
class BuiltinItem:
    """A picture that needs no file of the user's; `read` is a function of the id, by module."""

    id: str
    split: str
    read: Callable[[str], tuple[np.ndarray, np.ndarray | None]]
    masked: bool
    group: str | None = None
    labels: Labels = field(default_factory=dict)
    problem: None = None

    def load(self) -> Sharp:
        """Read or draw the picture."""
        image, mask = self.read(self.id)
        masked = mask if self.masked else None
        return Sharp(image, masked, sha256(image.tobytes()), labels=self.labels)

    def file_hash(self) -> None:
        """It has no file."""

    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()
