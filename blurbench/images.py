"""Picture files in and out, always (H, W, 3) uint8 RGB in memory."""

import io
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from blurbench.errors import UserError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".pgm", ".ppm"}
)
# A 572 kB file can claim 588 MB of pixels; Pillow's own limit, beyond any camera.
MAX_PIXELS = 178_956_970

# OpenCV would tell a damaged file in five lines; `BadImage` tells it in one.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class BadImage(UserError):
    """A file that is not a readable picture."""


def image_files(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Every picture below `folder` (hidden files aside), sorted by its relative path."""
    found = (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def check_header(data: bytes, name: str) -> None:
    """Refuse what is no picture, or claims too many pixels, before any of it is decoded."""
    too_large = BadImage(f"{name}: over {MAX_PIXELS // 10**6} megapixels")
    try:
        # Pillow warns from half of its limit on; that is no fault of a picture.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise too_large from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise BadImage(f"{name}: not a readable image") from None
    if width * height > MAX_PIXELS:
        raise too_large


def decode(data: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded picture: EXIF rotation applied, no alpha, 8 bits."""
    check_header(data, name)
    # cv2 returns None, without a word, for truncated files and for text named .jpg.
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BadImage(f"{name}: damaged or truncated image")
    return swap(bgr, bgr)


def swap(image: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
    """RGB to BGR or back, (H, W, 3) uint8, into a new array or an old one."""
    # Ten times faster than [..., ::-1] made contiguous, which took a tenth of an evaluation.
    out: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, into)
    return out


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 label indices of a palette or grey picture (the indices, not the colours)."""
    check_header(data, name)
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in ("P", "L", "1"):
                raise BadImage(f"{name}: labels must be a palette or grey image, not {image.mode}")
            return np.array(image.convert("L") if image.mode == "1" else image, np.uint8)
    except (OSError, SyntaxError):
        raise BadImage(f"{name}: damaged or truncated image") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; what cannot be read is a BadImage."""
    try:
        return path.read_bytes()
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
    bgr = image if image.ndim == 2 else swap(image)
    # No compression flag on purpose: setting any doubles the time at equal size.
    ok, data = cv2.imencode(suffix, bgr)
    if not ok:
        raise ValueError(f"cannot encode as {suffix}")
    return bytes(data)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB as JPEG of this quality, 1..100, would keep it."""
    data = cv2.imencode(".jpg", swap(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return decode(bytes(data), "JPEG")


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
