"""Pictures of odd kinds, parsed faces, restored pictures and archives of them."""

import io
import json
import shutil
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import odd_pictures
import tiny_data
from reader_examples import contents, data_set, pixels
from reader_examples import picture as plain

from blurbench import images
from blurbench.datasets.checks import check_line
from blurbench.datasets.verify import verify
from blurbench.errors import UserError
from blurbench.files import jsonl_line, sha256
from blurbench.inference.record import Record
from blurbench.ranking.submissions.references import pictures_in
from blurbench.scoring.restorers import FolderRestorer
from blurbench.sources.labels.masks import read_parts, read_planes
from readers.base import Reader, folder, scratch, written

SMALL = tiny_data.picture(3, 18, 24)


def as_asked(data: bytes) -> object:
    """In both ways in which a recipe may ask for more than 8 bits as they are stored."""
    ways = (images.Decoding(colour="srgb"), images.Decoding(depth=16))
    return [images.decode_told(data, "a.png", how).image for how in ways]


def wide() -> list[bytes]:
    """Colours of a wide space in three formats, and 16 bits in two."""
    profile = odd_pictures.profile(odd_pictures.P3)
    kinds = ("png", "jpeg", "tiff")
    deep = SMALL.astype(np.uint16) * 257
    return [
        *(odd_pictures.saved(SMALL, kind, icc_profile=profile) for kind in kinds),
        *(odd_pictures.deep(deep, suffix) for suffix in (".png", ".tiff")),
    ]


def several_frames() -> list[bytes]:
    """As cameras and the web have them."""
    return [odd_pictures.frames(SMALL, kind) for kind in ("MPO", "GIF", "PNG", "WEBP", "TIFF")]


def planes(data: bytes) -> object:
    """Helen's: the other ten are whole."""
    return read_planes(folder("planes", _planes, "a/a_lbl04.png", data), Path("a"))


def _planes() -> dict[str, bytes]:
    return {f"a/a_lbl{n:02d}.png": _grey(n) for n in range(11)}


def parts(data: bytes) -> object:
    """CelebAMask-HQ's: a face of two parts."""
    return read_parts(folder("parts", _parts, "0/00007_nose.png", data), Path("7"))


def _parts() -> dict[str, bytes]:
    return dict.fromkeys(("0/00007_skin.png", "0/00007_nose.png"), _grey(1))


def _grey(level: int) -> bytes:
    with io.BytesIO() as file:
        pixels("L").point(lambda value: value // 2 + level).save(file, "png")
        return file.getvalue()


def restored(data: bytes) -> object:
    """By others, for a pair of a data set."""
    row = json.loads(data_set()["test/metadata.jsonl"].splitlines()[0])
    restorer = FolderRestorer(written("restored/crop-0.png", data).parent)
    notes = restorer.prepare([row])
    return notes, restorer.restore(np.zeros((20, 24, 3), np.uint8), row)


def whole_sharp() -> list[bytes]:
    """What a perfect model would give."""
    return [data_set()["test/sharp/crop-0.png"]]


PICTURES = ("a.png", "b/c.jpg")


def archive(data: bytes) -> object:
    """As a board's row may name it."""
    shutil.rmtree(scratch() / "unpacked", ignore_errors=True)
    (scratch() / "unpacked").mkdir()
    return contents(pictures_in(written("restored.zip", data), scratch() / "unpacked"))


def archives() -> list[bytes]:
    """Stored and packed."""
    found = []
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w", packing) as made:
                for name, data in zip(PICTURES, plain("png"), strict=True):
                    made.writestr(name, data)
            found.append(file.getvalue())
    return found


def record(data: bytes) -> object:
    """Of a folder of restored pictures; a damaged line costs its picture anew."""
    root = folder("deblurred", _deblurred, ".deblur.jsonl", data)
    found, picture = Record(root, "how"), root / "a.png"
    found.claim([picture])
    return found.find(picture, picture), found.ours(), found.has(root / "b.png")


def _deblurred() -> dict[str, bytes]:
    return {"a.png": whole_sharp()[0]}


def records() -> list[bytes]:
    """Of one picture, in tiles."""
    hashed = sha256(whole_sharp()[0])
    line = {"name": "a.png", "how": "how", "source": hashed, "restored": hashed, "tile": 64}
    return [jsonl_line(line)]


def checked_set(data: bytes) -> object:
    """The sizes that checks.jsonl of a set keeps."""
    found = verify(folder("checked", data_set, "checks.jsonl", data))
    if found:
        raise UserError(found[0])
    return found


def checks() -> list[bytes]:
    """A line a pair."""
    files = data_set()
    rows = files["test/metadata.jsonl"].splitlines(keepends=True)
    sizes = {name: len(data) for name, data in files.items()}
    lines = [check_line("test", json.loads(row), row, sizes.get, [], "test") for row in rows]
    return [b"".join(map(jsonl_line, lines))]


PICTURE_READERS: tuple[Reader, ...] = (
    Reader("picture as a recipe asks", as_asked, wide),
    Reader("picture of frames", partial(images.decode, name="a.png"), several_frames),
    Reader("labels in planes", planes, lambda: [_grey(9)]),
    Reader("labels in parts", parts, lambda: [_grey(9)]),
    Reader("restored picture", restored, whole_sharp),
    Reader("archive of pictures", archive, archives),
    Reader("record of deblur", record, records),
    Reader("checks of a set", checked_set, checks),
)
