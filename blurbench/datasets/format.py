"""What a data set's files say of it: rows, pixel hashes, digest, dataset.json."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from blurbench.errors import UserError
from blurbench.files import load_json, parse_json, parse_jsonl, sha256
from blurbench.images import BadImage
from blurbench.schemas import parse_as
from blurbench.stores.folder import Folder
from blurbench.stores.open import Place, open_store
from blurbench.stores.store import Store

DATASET = "dataset.json"
METADATA = "metadata.jsonl"
CHECKS = "checks.jsonl"
FAILURES = "failures.jsonl"
WORK = ".blurbench"  # exists while a set is being made
PICTURES = ("blur", "sharp", "mask")
SHOWN_FAILURES = 10
MEND = "make the data set again, in another folder"

Row = dict[str, Any]
SplitName = Annotated[str, Field(pattern="^(train|val|test)$")]  # of files: it names folders


class Description(BaseModel):
    """What dataset.json holds."""

    format: Literal["blurbench data set 1"] = "blurbench data set 1"
    recipe: dict[str, Any]
    seed: int
    limit: int | None
    image_format: str
    blurbench: str
    plugins: dict[str, str] = {}  # family of another package -> that package and its version
    made_with: dict[str, str]
    source: dict[str, str]
    counts: dict[SplitName, Annotated[int, Field(gt=0)]]  # pairs
    failed: int  # inputs in failures.jsonl
    metadata_sha256: dict[str, str]  # by split
    digest: str
    root: str | None = None  # of an index, absolute: the folder that its rows name pictures in
    checks_sha256: str | None = None  # of checks.jsonl; 0.1.0 wrote neither
    sha256: str | None = None  # of all the others, by `seal`

    @model_serializer(mode="wrap")
    def _written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `plugins` and checksums where there are none, as before there could be."""
        written: dict[str, Any] = serialise(self)
        lacking = {name for name in ("plugins", "checks_sha256", "sha256") if not written[name]}
        return {name: value for name, value in written.items() if name not in lacking}


def document(description: Description) -> dict[str, Any]:
    """The content of its dataset.json, sealed."""
    written = description.model_copy(update={"sha256": None}).model_dump()
    return {**written, "sha256": seal(written)}


def seal(document: dict[str, Any]) -> str:
    """SHA-256 of all that a JSON document says but its `sha256`, however it is indented."""
    told = {name: value for name, value in document.items() if name != "sha256"}
    return sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode())


def read_description(place: Place | Store) -> Description:
    """The valid dataset.json of a data set; UserError where there is none."""
    store = open_store(place)
    where = store.where()
    if not store.is_file(DATASET):
        if not store.exists():
            raise UserError(f"{where}: no such folder")
        state = "unfinished: run synthesize again" if store.exists(WORK) else "not a data set"
        raise UserError(f"{where}: no {DATASET} here, so this is {state}")
    data = store.read(DATASET)
    description = parse_as(Description, data, store.where(DATASET), MEND)
    if description.sha256 and description.sha256 != seal(load_json(data)):
        changed = "changed since it was written: its sha256 is not that of the rest"
        raise UserError(f"{store.where(DATASET)}: {changed}; {MEND}")
    if description.root is not None and not store.is_here:
        # Whoever wrote it may name any folder of this machine.
        raise UserError(f"{where}: an index of pictures elsewhere; indexes are read from folders")
    return description


def located(store: Store, root: str | None, split: str) -> tuple[Store, str]:
    """Where the rows of a split name pictures: a store and a folder in it."""
    return (store, split) if root is None else (Folder(Path(root), links=True), "")


def mend_of(root: str | None) -> str:
    """What to do about a picture that was changed since it was made, or indexed at `root`."""
    made = "remove it, and run the same synthesize again"
    return made if root is None else "put the old file back"


def pictures_of(store: Store, description: Description, split: str) -> tuple[Store, str]:
    """`located`; UserError with the mend where the pictures of an index were moved."""
    if description.root is not None and not Path(description.root).is_dir():
        command = f"blurbench synthesize {description.recipe.get('name')} --out {store.where()}"
        moved = f"{description.root}, whose pictures it indexes, is gone; if they were moved"
        raise UserError(f"{store.where()}: {moved}, run {command} --source NEW_PLACE")
    return located(store, description.root, split)


def read_whole(store: Store, name: str) -> Any:
    """The JSON document `name`, which exists; UserError names the mend where it is torn."""
    data = store.read(name)
    try:
        return parse_json(data, store.where(name))
    except UserError as error:
        raise UserError(f"{error}; {MEND}") from None


def read_rows(
    store: Store, split: str, see: Callable[[bytes], object] | None = None
) -> Iterator[Row]:
    """The rows of one split, in one pass over their file; `see` is shown each line of it.

    UserError names the file where it is missing, or a line is torn or lacks a column.
    """
    name = f"{store.inside('', split)}/{METADATA}"
    where = store.where(name)
    try:
        with store.open(name) as file:
            rows = parse_jsonl(_shown(file, see) if see else file, where)
            for number, row in enumerate(rows, start=1):
                if not is_row(row):
                    raise UserError(f"{where}: line {number} is not the row of a pair")
                yield row
    except FileNotFoundError:
        raise UserError(f"{where}: no such file") from None


def read_hashed_rows(store: Store, split: str) -> tuple[list[Row], str]:
    """`read_rows`, and the SHA-256 of their file."""
    total = hashlib.sha256()
    rows = list(read_rows(store, split, total.update))
    return rows, total.hexdigest()


def _shown(lines: Iterable[bytes], see: Callable[[bytes], object]) -> Iterator[bytes]:
    for line in lines:
        see(line)
        yield line


def read_picture(store: Store, name: str) -> bytes:
    """The bytes of a picture; what cannot be read is a BadImage."""
    try:
        return store.read(name)
    except OSError as error:
        raise BadImage(f"{store.where(name)}: cannot be read ({error.strerror})") from None


def is_row(value: Any) -> bool:
    """Whether this is an object with the texts that every row has."""
    if not isinstance(value, dict):
        return False
    needed = ("id", "blur_file_name", "sharp_file_name", "blur_pixels", "sharp_pixels")
    texts = [*(value.get(key) for key in needed), *file_names(value)]
    return all(isinstance(text, str) for text in texts)


def source_hash(row: Row) -> str | None:
    """SHA-256 of the file of the sharp picture behind a pair; of pixels where there was no file.

    Of an indexed pair that of its sharp file; None where the row tells neither.
    """
    found = row.get("source_sha256") or row.get("sharp_sha256")
    return found if isinstance(found, str) else None


def file_names(row: Row) -> list[str]:
    """The pictures that a row names, as it names them: relative to the folder of its split."""
    return [row[name] for kind in PICTURES if (name := f"{kind}_file_name") in row]


def pixel_hash(image: np.ndarray) -> str:
    """SHA-256 of shape and pixels of an (H, W[, 3]) uint8 image: the same in any file format."""
    shape = "x".join(map(str, image.shape)).encode()
    # The shape too: pictures of 2 x 8 and of 4 x 4 px may have the same bytes.
    return sha256(shape + b"\n" + np.ascontiguousarray(image, np.uint8).tobytes())


def digest_of(rows: Iterable[tuple[str, Row]]) -> str:
    """The identity of a data set, from its (split, row)s sorted by split and id."""
    total = Digest()
    for split, row in rows:
        total.add(split, row)
    return total.hexdigest()


class Digest:
    """`digest_of` rows that are added one by one."""

    def __init__(self) -> None:
        """That of no rows."""
        self._total = hashlib.sha256(b"blurbench digest 1\n")
        self.hexdigest = self._total.hexdigest

    def add(self, split: str, row: Row) -> None:
        """The next row."""
        hashes = (row.get(f"{kind}_pixels", "") for kind in PICTURES)
        # \0 stands in no id or hash: no two rows give the same text.
        self._total.update("\0".join((split, row["id"], *hashes)).encode() + b"\n")
