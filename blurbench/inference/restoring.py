"""Picture files restored one by one, in this process or by workers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from uuid import uuid4

from blurbench.engine import Workers, held, run_parts
from blurbench.errors import UserError, one_line
from blurbench.files import sha256, write_bytes
from blurbench.images import BadImage, Decoding, decode_told, encode, read_bytes
from blurbench.inference.maps import write_maps
from blurbench.progress import Advance
from blurbench.runs.devices import one_thread
from blurbench.runs.trained import TrainedModel

# Of a picture in tiles: itself, what is restored as floats, and their rounding.
RESTORING = Decoding(bytes_per_pixel=60)
HANDFUL = 4  # pictures a worker is handed at once
KILLED = "each worker that took it died; is it too large for the memory? --tile takes less"

_one_at_a_time = Lock()  # a worker with several threads has one network


class PictureToRestore(NamedTuple):
    """A picture, where it goes, and where what the model looked at goes."""

    path: Path
    target: Path
    maps: Path | None = None

    def absolute(self) -> "PictureToRestore":
        """The same for processes with another working directory."""
        maps = self.maps and self.maps.absolute()
        return PictureToRestore(self.path.absolute(), self.target.absolute(), maps)


@dataclass(frozen=True)
class FileOutcome:
    """What came of one picture."""

    picture: PictureToRestore
    failed: str = ""  # why it could not be restored
    tile: int | None = None  # px, where it went by tiles
    maps: int = 0  # files of what the model looked at
    source: str = ""  # SHA-256 of its file
    restored: str = ""  # SHA-256 of the file that was written
    told: tuple[str, ...] = ()  # of the file: keys of images.header.TOLD


@dataclass(frozen=True)
class DeblurJob:
    """How workers restore."""

    key: str  # of this call: a worker loads its model once
    again: Callable[[], TrainedModel]
    tile: int | None
    tta: bool
    bf16: bool

    def model(self) -> TrainedModel:
        """The model, loaded by this process."""
        one_thread()
        return replace(self.again(), tile=self.tile, tta=self.tta, bf16=self.bf16)


def restore_all(
    model: TrainedModel, pictures: Sequence[PictureToRestore], workers: Workers, advance: Advance
) -> Iterator[FileOutcome]:
    """Each picture's outcome: here, in order, or by workers, in any.

    UserError where workers could not load the model, and as `run_shards`.
    """
    if workers.alone:
        for picture in pictures:
            yield restore_file(model, picture, tell_tiles(advance))
        return
    if model.again is None:
        raise UserError(f"{model.name}: only this process can restore with it; use no workers")
    job = DeblurJob(uuid4().hex, model.again, model.tile, model.tta, model.bf16)
    own = {picture.absolute(): picture for picture in pictures}
    for done in run_parts(partial(restore_handful, job), [*own], most=HANDFUL, workers=workers):
        killed = [FileOutcome(each, f"{each.path}: {KILLED}") for each in done.shard]
        for outcome in killed if done.result is None else done.result:
            yield replace(outcome, picture=own[outcome.picture])


def restore_handful(job: DeblurJob, pictures: Sequence[PictureToRestore]) -> list[FileOutcome]:
    """In a worker: the outcomes of some pictures."""
    with _one_at_a_time:
        model = held(job.key, job.model)
        return [restore_file(model, picture) for picture in pictures]


def restore_file(
    model: TrainedModel,
    picture: PictureToRestore,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> FileOutcome:
    """Write a picture's restored file, and its maps; `tell` as of `TrainedModel.restore`."""
    maps = 0
    try:
        data = read_bytes(picture.path)
        blur, told = decode_told(data, str(picture.path), RESTORING)
        restored = model.restore(blur, tell)
        written = encode(restored.image)
        write_bytes(picture.target, written)
        # What is too large to restore whole is too large to explain whole.
        if picture.maps is not None and not restored.tile:
            maps = write_maps(model, blur, picture.maps)
    except BadImage as error:
        return FileOutcome(picture, str(error))
    except (RuntimeError, MemoryError) as error:  # too large for this device
        return FileOutcome(picture, one_line(error, str(picture.path)))
    return FileOutcome(picture, "", restored.tile, maps, sha256(data), sha256(written), told)


def tell_tiles(advance: Advance) -> Callable[[int, int], None]:
    """Tiles as notes beside the count of pictures, where a picture has several."""

    def tell(done: int, total: int) -> None:
        if done < total:
            advance(0, f"tile {done} of {total}")

    return tell
