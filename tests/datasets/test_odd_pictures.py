"""What becomes of every kind of odd picture; docs/data-sets.md has the same list."""

import io

import cv2
import numpy as np
import pytest
import tiny_data
from PIL import Image

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.files import read_jsonl
from blurbench.sources.open import open_source

PICTURE = tiny_data.picture(0, 60, 72)
USED = {
    "rotated.jpg": ((72, 60), "JPEG", "RGB"),  # EXIF says: turned by 90 degrees
    "alpha.png": ((60, 72), "PNG", "RGBA"),
    "cmyk.jpg": ((60, 72), "JPEG", "CMYK"),
    "grey.png": ((60, 72), "PNG", "L"),
    "palette.png": ((60, 72), "PNG", "P"),
    "lossy.webp": ((60, 72), "WEBP", "RGB"),
}
REFUSED = {
    "one.png": "too small with 1x1 px",
    "cut.png": "damaged data (a part longer than the file)",
    "cut.jpg": "damaged data (Premature end of JPEG file)",
    "text.jpg": "not a readable image",
    "bomb.png": "over 178 megapixels",
}


def encoded(kind: str, mode: str, picture: np.ndarray = PICTURE) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x112] = 6
    extra = {"exif": exif} if kind == "JPEG" and mode == "RGB" else {}
    Image.fromarray(picture).convert(mode).save(buffer, kind, **extra)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small PNG whose header claims 40,000 x 40,000 pixels."""
    import struct
    import zlib

    data = bytearray(encoded("PNG", "RGB"))
    data[16:24] = struct.pack(">II", 40_000, 40_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    folder = root / "in"
    folder.mkdir()
    for name, (_, kind, mode) in USED.items():
        (folder / name).write_bytes(encoded(kind, mode))
    deep = cv2.imencode(".png", PICTURE.astype(np.uint16) * 257)[1]
    (folder / "deep.png").write_bytes(bytes(deep))
    (folder / "one.png").write_bytes(encoded("PNG", "RGB", PICTURE[:1, :1]))
    (folder / "cut.png").write_bytes(encoded("PNG", "RGB")[:300])
    (folder / "cut.jpg").write_bytes(encoded("JPEG", "L")[:700])
    (folder / "text.jpg").write_text("no picture")
    (folder / "bomb.png").write_bytes(bomb())
    recipe = tiny_data.flow_recipe(
        replicas={},
        blur={"family": "line", "length": [3.0, 3.0]},
        crop__borders=False,
        splits={"train": 1.0, "val": 0.0, "test": 0.0},
    )
    return synthesize(recipe, open_source(str(folder)), root / "out")


def test_odd_pictures_are_used_or_told(made):
    rows = {row["source_id"]: row for row in BlurDataset(made.out, "train").rows}
    assert set(rows) == {*USED, "deep.png"}
    for name, ((height, width), _, _) in USED.items():
        assert (rows[name]["height"], rows[name]["width"]) == (height, width), name
    failures = {row["source_id"]: row["error"] for row in read_jsonl(made.out / "failures.jsonl")}
    assert set(failures) == set(REFUSED)
    for name, words in REFUSED.items():
        assert failures[name].startswith(f"{name}: ")
        assert words in failures[name]
        assert "\n" not in failures[name]


def test_sixteen_bits_alpha_and_grey_keep_their_colours(made):
    dataset = BlurDataset(made.out, "train")
    sharp = {row["source_id"]: dataset[n]["sharp"] for n, row in enumerate(dataset.rows)}
    expected = PICTURE.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(sharp["deep.png"][[2, 1, 0]], expected, atol=1e-6)  # cv2 wrote BGR
    np.testing.assert_allclose(sharp["alpha.png"], expected, atol=1e-6)
    assert (sharp["grey.png"][0] == sharp["grey.png"][2]).all()
