"""Picture files that are more, or other, than (H, W, 3) of 8 bits in sRGB."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms

# CIE xy of the primaries and gamma of wide spaces, and of one whose red is sRGB's green.
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SWAPPED = ((0.3, 0.6), (0.64, 0.33), (0.15, 0.06))
D65 = (0.3127, 0.329)
D50 = np.array([0.9642, 1.0, 0.8249])
# Bradford's cone response, in which ICC adapts white points.
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def xyz(point: tuple[float, float]) -> np.ndarray:
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def to_d50(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """3x3: linear RGB of a space with white D65 -> XYZ with white D50."""
    columns = np.stack([xyz(point) for point in primaries], axis=1)
    matrix = columns * np.linalg.solve(columns, xyz(D65))
    scale = (BRADFORD @ D50) / (BRADFORD @ xyz(D65))
    return np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD @ matrix


def profile(primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> bytes:
    """An ICC profile (version 2, matrix and gamma) of an RGB space with white D65."""

    def s15(values: np.ndarray) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    matrix = to_d50(primaries)
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    text = b"tests"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(80),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + s15(D50),
        **{
            name: b"XYZ \0\0\0\0" + s15(column)
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix.T, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 0, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp"
    )
    header = header.ljust(68, b"\0") + s15(D50)
    whole = header.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image: np.ndarray, kind: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def frames(image: np.ndarray, kind: str) -> bytes:
    """The picture, and itself upside down as a second frame."""
    second = Image.fromarray(image[::-1].copy())
    return saved(image, kind, save_all=True, append_images=[second])


def deep(image: np.ndarray, suffix: str = ".png") -> bytes:
    """(H, W, 3) uint16 RGB in a file."""
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png[:33] + chunk + png[33:]


def zeroed(jpeg: bytes, size: int = 16, place: float = 0.5) -> bytes:
    """A JPEG of which so many bytes of its data are zeros; place: 0 the start, 1 the end."""
    start = jpeg.find(b"\xff\xda") + 14
    at = start + int((len(jpeg) - start - size) * place)
    return jpeg[:at] + bytes(size) + jpeg[at + size :]
