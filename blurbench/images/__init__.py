"""Picture files in and out, (H, W, 3) uint8 RGB in memory."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from blurbench.errors import UserError
from blurbench.files import read_regular
from blurbench.images.colour import channels, to_srgb
from blurbench.images.damage import (
    deflate_damage,
    jpeg_damage,
    lzw_damage,
    png_damage,
    why_unreadable,
)
from blurbench.images.found import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    FoundFiles,
    find_files,
    image_files,
    tell_found,
)
from blurbench.images.header import DECODING, BadImage, Header, check_header, opened

__all__ = [
    "AS_STORED",
    "IMAGE_SUFFIXES",
    "UNREAD_SUFFIXES",
    "BadImage",
    "Decoded",
    "Decoding",
    "FoundFiles",
    "check_header",
    "decode",
    "decode_depth",
    "decode_labels",
    "decode_told",
    "encode",
    "find_files",
    "image_files",
    "jpeg",
    "read_bytes",
    "read_image",
    "swap",
    "tell_found",
    "to_float",
    "to_levels",
    "to_uint8",
]

# Codings whose damaged data OpenCV decodes in silence -> what tells.
DAMAGE = {
    "PNG": png_damage,
    "JPEG": jpeg_damage,
    "MPO": jpeg_damage,
    "tiff_lzw": lzw_damage,
    "tiff_deflate": deflate_damage,
    "tiff_adobe_deflate": deflate_damage,
}

# OpenCV would tell a damaged file in five lines; `BadImage` tells it in one.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class Decoding:
    """How a picture is decoded, and for what."""

    colour: Literal["as-stored", "srgb"] = "as-stored"
    depth: Literal[8, 16] = 8  # bits that are kept of a picture with 16
    bytes_per_pixel: float = DECODING  # of memory, for it and for what is done with it


AS_STORED = Decoding()


class Decoded(NamedTuple):
    """A picture in memory, and what is to be told of its file."""

    image: np.ndarray  # (H, W, 3) uint8 RGB; uint16 where 16 bits were asked for and are there
    told: tuple[str, ...]  # keys of header.TOLD


def decode(data: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded picture: EXIF rotation applied, no alpha, 8 bits.

    BadImage names what is damaged, no picture, or too large for the memory.
    """
    return decode_told(data, name).image


def decode_told(data: bytes, name: str, how: Decoding = AS_STORED) -> Decoded:
    """`decode`, as the recipe has it, and what is to be told of the file."""
    header = check_header(data, name, how.bytes_per_pixel)
    # Before OpenCV, which would tell it on standard error and give the damaged picture.
    with _damage_told(name):
        if header.coding in DAMAGE and (problem := DAMAGE[header.coding](data)):
            raise BadImage(f"{name}: damaged data ({problem}); get it again, or save it anew")
    converting = how.colour == "srgb" and "profile" in header.told
    # Pillow converts 8 bits only.
    deep = how.depth == 16 and "depth" in header.told and not converting
    image = _pixels(data, name, deep=deep)
    told = [key for key in header.told if not (deep and key == "depth")]
    if converting:
        told[told.index("profile")] = "converted"
        with _damage_told(name):
            image = _converted(image, data, header)
    return Decoded(image, tuple(told))


def _pixels(data: bytes, name: str, *, deep: bool = False) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_ANYDEPTH if deep else 0)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # sizes that a damaged file makes up
        bgr = None
    # OpenCV gives none, without a word, for truncated files and for text named .jpg.
    if bgr is None:
        why = why_unreadable(data, name)
        raise BadImage(f"{name}: damaged or truncated image ({why})")
    return swap(bgr, bgr)


def _converted(image: np.ndarray, data: bytes, header: Header) -> np.ndarray:
    """(H, W, 3) uint8 sRGB of a decoded picture."""
    assert header.profile
    mode = channels(header.mode)
    if mode in ("RGB", "L"):
        # OpenCV's pixels, as everywhere else.
        return to_srgb(Image.fromarray(image if mode == "RGB" else image[..., 0]), header.profile)
    # OpenCV has made of four inks or L*a*b* some RGB, which no profile describes.
    with opened(data) as stored:
        return to_srgb(ImageOps.exif_transpose(stored), header.profile)


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    try:
        yield
    # Pillow's decoders raise what they like for a damaged file: SyntaxError, struct.error, ...
    except UserError:
        raise
    except Exception:
        raise BadImage(f"{name}: damaged or truncated image") from None


def swap(image: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
    """RGB to BGR or back, (H, W, 3) uint8 or uint16, into a new array or an old one."""
    # Ten times faster than [..., ::-1] made contiguous, which took a tenth of an evaluation.
    out: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, into)
    return out


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 label indices of a palette or grey picture (the indices, not the colours)."""
    check_header(data, name)
    with _damage_told(name), opened(data) as image:
        if image.mode not in ("P", "L", "1"):
            raise BadImage(f"{name}: labels must be a palette or grey image, not {image.mode}")
        return np.array(image.convert("L") if image.mode == "1" else image, np.uint8)


def decode_depth(data: bytes, name: str) -> np.ndarray:
    """(H, W) uint16 of a grey picture of 16 bits, or 8: its numbers as they are."""
    check_header(data, name)
    with _damage_told(name), opened(data) as image:
        if not (image.mode == "L" or image.mode.startswith("I;16")):
            raise BadImage(f"{name}: a depth map is grey, with 16 or 8 bits, not {image.mode}")
        if image.format == "PNG" and (problem := png_damage(data)):
            raise BadImage(f"{name}: damaged data ({problem}); get it again, or save it anew")
        return np.array(image, np.uint16)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; what cannot be read, such as a pipe, is a BadImage."""
    try:
        return read_regular(path)
    except UserError as error:
        raise BadImage(str(error)) from None
    except OSError as error:
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from None


def read_image(path: Path) -> np.ndarray:
    """`decode` of a file."""
    return decode(read_bytes(path), str(path))


def encode(image: np.ndarray, suffix: str = ".png") -> bytes:
    """Lossless bytes of (H, W, 3) RGB or (H, W) uint8: `.png`, or `.webp`."""
    if suffix == ".webp":
        buffer = io.BytesIO()
        # Method 0 is both smaller than PNG and ten times faster than method 4.
        Image.fromarray(image).save(buffer, "WEBP", lossless=True, method=0, exact=True)
        return buffer.getvalue()
    if image.ndim == 3 and suffix == ".png" and (fast := _fast_png()):
        return bytes(fast.from_ndarray(np.ascontiguousarray(image)))
    bgr = image if image.ndim == 2 else swap(image)
    # No compression flag on purpose: setting any doubles the time at equal size.
    ok, data = cv2.imencode(suffix, bgr)
    if not ok:
        raise ValueError(f"cannot encode as {suffix}")
    return bytes(data)


@cache
def _fast_png() -> Any:
    """The package of the extra `png`, where it is installed: a seventh of OpenCV's time."""
    try:
        import fpng
    except ImportError:
        return None
    return fpng


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB as JPEG of this quality, 1..100, would keep it."""
    data = cv2.imencode(".jpg", swap(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return _pixels(bytes(data), "JPEG")


def to_float(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (3, H, W) float32 in [0, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)


def to_uint8(image: Any) -> np.ndarray:
    """(3, H, W) float in [0, 1], array or tensor -> (H, W, 3) uint8, clipped and rounded."""
    return to_levels(np.asarray(image, np.float32)).transpose(1, 2, 0)


def to_levels(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1] -> uint8 of the same shape, clipped and rounded."""
    out: np.ndarray = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return out
