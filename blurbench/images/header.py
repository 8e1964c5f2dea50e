"""What a picture file says of itself, before any of it is decoded."""

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from blurbench.errors import UserError
from blurbench.files import open_regular
from blurbench.images.colour import state_of_profile
from blurbench.memory import shortage
from blurbench.words import counted

# A 572 kB file can claim 588 MB of pixels; Pillow's own limit, beyond any camera.
MAX_PIXELS = 178_956_970
# Decoding takes at most (RGBA of WebP, a progressive JPEG): the pixels twice, coefficients once.
DECODING = 16.0  # bytes a pixel

# What is told of a picture that is more than (H, W, 3) of 8 bits: the key stands in its row.
TOLD = {
    "alpha": "an alpha channel, which is left out",
    "depth": "16 bits, cut to 8",
    "frames": "several frames, of which the first is read",
    "gamma": "a gamma or primaries of its own, which are not applied",
    "profile": "a colour profile other than sRGB, which is not applied",
    "converted": "a colour profile other than sRGB, from which it is converted",
    "bad-profile": "a colour profile that cannot be read, which is not applied",
}
# How files begin that stand in the place of others, in small letters -> what they are.
INSTEAD = {
    b"version https://git-lfs": "a Git LFS pointer, not the {}; fetch it: git lfs pull",
    b"<!doctype": "a web page, not a {}; download it again",
    b"<html": "a web page, not a {}; download it again",
}
PICTURES_INSTEAD = {
    **INSTEAD,
    b"<svg": "a drawing in SVG; save it as PNG",
    b"ii*\0": "a TIFF of a kind that is not read; save it as PNG",
    b"mm\0*": "a TIFF of a kind that is not read; save it as PNG",
}
HEAD = 512  # bytes of a file that tell what it is
SRGB_GAMMA = 1 / 2.2
# x and y of white, red, green and blue, as Pillow gives cHRM.
SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


class BadImage(UserError):
    """A file that is not a readable picture."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded."""

    coding: str  # of its pixels: the compression of a TIFF, else the format; as Pillow names them
    mode: str  # of Pillow: RGB, L, CMYK, ...
    profile: bytes | None  # of its colours
    told: tuple[str, ...]  # keys of `TOLD`


def check_header(data: bytes, name: str, bytes_per_pixel: float = DECODING) -> Header:
    """Refuse what is no picture, or has more pixels than memory, before any of it is decoded.

    bytes_per_pixel: what is done with the picture takes so much for each of its pixels.
    """
    if not data:
        raise BadImage(f"{name}: not a readable image: the file is empty")
    too_large = BadImage(f"{name}: over {MAX_PIXELS // 10**6} megapixels")
    try:
        with opened(data) as image:
            width, height = image.size
            profile = image.info.get("icc_profile")
            told = tuple(_peculiarities(image))
            coding = image.info.get("compression") or image.format or ""
            header = Header(str(coding), image.mode, profile or None, told)
    except Image.DecompressionBombError:
        raise too_large from None
    # Pillow's readers raise what they like for a damaged header: struct.error, KeyError, ...
    except Exception:
        raise BadImage(f"{name}: not a readable image{_instead(data)}") from None
    if width * height > MAX_PIXELS:
        raise too_large
    if width * height == 0:
        raise BadImage(f"{name}: not a readable image: {width}x{height} px")
    if problem := shortage(width, height, bytes_per_pixel):
        raise BadImage(f"{name}: {problem}; make it smaller, or free memory")
    return header


def _instead(data: bytes) -> str:
    told = _begins(data, PICTURES_INSTEAD)
    return f": {told.format('picture')}" if told else ""


def _begins(data: bytes, known: Mapping[bytes, str]) -> str:
    head = data[:HEAD].lstrip().lower()
    return next((told for begin, told in known.items() if head.startswith(begin)), "")


def refuse_instead(path: Path, noun: str = "checkpoint") -> None:
    """UserError where a file is empty, a Git LFS pointer, a web page, a pipe or a device.

    By its first bytes: what reads weights may take long to begin, and says less.
    """
    with open_regular(path) as file:
        head = file.read(HEAD)
    if not head:
        raise UserError(f"{path}: the file is empty; download it again")
    if told := _begins(head, INSTEAD):
        raise UserError(f"{path}: {told.format(noun)}")


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """A picture as Pillow opens it, undecoded; Pillow raises what it likes for a damaged one."""
    # Pillow warns from half of its limit on, and of odd metadata; neither is a fault.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            yield image


def _peculiarities(image: Image.Image) -> Iterator[str]:
    """The keys of `TOLD` that hold of an opened picture."""
    info = image.info
    if "A" in image.mode.upper().replace("LAB", "") or "transparency" in info:
        yield "alpha"
    if _is_deep(image):
        yield "depth"
    if getattr(image, "is_animated", False):
        yield "frames"
    if info.get("icc_profile"):
        state = state_of_profile(info["icc_profile"], image.mode)
        if state:
            yield state
    elif "srgb" not in info and _has_own_gamma(info):
        yield "gamma"


def _is_deep(image: Image.Image) -> bool:
    """Whether it has over 8 bits: Pillow says so in the arguments of its decoder alone."""
    tiles: Any = getattr(image, "tile", None)
    if not tiles:
        return False
    codec, _, _, arguments = tiles[0]
    if codec == "ppm" and isinstance(arguments, tuple):
        return int(arguments[-1]) > 255
    return ";16" in str(arguments)


def _has_own_gamma(info: dict[Any, Any]) -> bool:
    gamma, primaries = info.get("gamma"), info.get("chromaticity")
    other_gamma = gamma is not None and abs(gamma - SRGB_GAMMA) > 0.005
    return other_gamma or (
        primaries is not None
        and any(abs(a - b) > 0.005 for a, b in zip(primaries, SRGB_PRIMARIES, strict=True))
    )


class Peculiarities:
    """Counts of what is told of pictures, or of pairs, and the first that has each."""

    def __init__(self, noun: str = "picture") -> None:
        """None yet."""
        self._noun = noun
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, name: str, keys: Iterable[str]) -> None:
        """A picture and its keys of `TOLD`; unknown ones, of a file that was changed, are not."""
        for key in keys:
            self._counts[key] += 1
            self._first.setdefault(key, name)

    def lines(self) -> list[str]:
        """One for each kind."""
        return [
            f"{counted(self._counts[key], self._noun)} with {words} (first: {self._first[key]})"
            for key, words in TOLD.items()
            if key in self._counts
        ]
