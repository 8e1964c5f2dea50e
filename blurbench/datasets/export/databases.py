"""LMDB as BasicSR reads it: one database for each split and kind, the id as key."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from blurbench.datasets.export.job import ExportJob, ExportRun, ExportShard, ensure
from blurbench.datasets.export.options import write_options
from blurbench.datasets.export.read import ExportPair, by_split, read_checked
from blurbench.datasets.format import PICTURES
from blurbench.errors import UserError
from blurbench.files import GO_ON, read_regular, sha256, sync, write_text
from blurbench.progress import Advance

META_INFO = "meta_info.txt"
BATCH = 16  # pictures held in memory until they are committed
MAP_BYTES = 2**26  # at first; doubled whenever it is full
FULL = 2**22  # bytes that are left of a disk on which a picture had no room


def require() -> None:
    """UserError where the package is missing."""
    try:
        import lmdb  # noqa: F401
    except ImportError:
        raise UserError("lmdb is not installed; pip install 'blurbench[formats]'") from None


def write(job: ExportJob, pairs: list[ExportPair], run: ExportRun) -> None:
    """SPLIT_KIND.lmdb for each kind of picture, and options to paste; all in this process."""
    for split, of_split in by_split(pairs).items():
        for kind in PICTURES:
            shard = ExportShard(f"{split}_{kind}.lmdb", [p for p in of_split if kind in p.pictures])
            if shard.pairs:
                _ensure(job, kind, shard, run.advance)
        roots = {"dataroot_gt": f"{split}_sharp.lmdb", "dataroot_lq": f"{split}_blur.lmdb"}
        write_options(job.out, of_split, roots, backend="lmdb")


def _ensure(job: ExportJob, kind: str, shard: ExportShard, advance: Advance) -> None:
    written = 0

    def count(pictures: int) -> None:
        nonlocal written
        written += pictures
        advance(pictures)

    ensure(job, partial(_write, kind, count), partial(_problem, kind), shard)
    advance(len(shard.pairs) - written)  # what was there already


def _write(kind: str, advance: Callable[[int], None], job: ExportJob, shard: ExportShard) -> None:
    import lmdb

    made, target = job.work / shard.name, job.out / shard.name
    for old in (made, target):
        if old.exists():
            shutil.rmtree(old)
    try:
        # One sync at the end, for nobody sees the folder before. No lock: its file is mapped, which
        # on a full disk ended this process by SIGBUS.
        whole = lmdb.open(str(made), map_size=MAP_BYTES, sync=False, lock=False)
        with closing(whole) as database:
            pairs = iter(shard.pairs)
            while some := list(islice(pairs, BATCH)):
                pictures = [(p.id.encode(), read_checked(p.pictures[kind])) for p in some]
                _put(database, pictures)
                advance(len(some))
            database.sync(True)
    except lmdb.Error as error:
        # LMDB itself calls a disk that fills up in the middle of a page an input/output error.
        full = shutil.disk_usage(job.work).free < FULL
        why = os.strerror(errno.ENOSPC) if full else error
        raise UserError(f"{target}: cannot write ({why}); {GO_ON}") from None
    write_text(made / META_INFO, _meta_info(kind, shard.pairs))
    write_text(made / "lock.mdb", "")  # whoever opens it with a lock makes it one
    sync(made)
    made.rename(target)
    sync(job.out)


def _put(database: Any, pictures: list[tuple[bytes, bytes]]) -> None:
    import lmdb

    while True:
        try:
            with database.begin(write=True) as transaction:
                for key, value in pictures:
                    # Pairs come sorted by id, as append asks.
                    transaction.put(key, value, append=True)
            return
        except lmdb.MapFullError:
            # Nothing of this batch was kept. The file grows with its content, not with the map.
            database.set_mapsize(2 * database.info()["map_size"])


def _meta_info(kind: str, pairs: Iterable[ExportPair]) -> str:
    """A line a picture; BasicSR takes what stands before the first dot for the key."""
    channels = 1 if kind == "mask" else 3
    return "".join(
        # The last column is the level of PNG's compression: OpenCV's default.
        f"{pair.id}{pair.pictures[kind].suffix} ({pair.height},{pair.width},{channels}) 1\n"
        for pair in pairs
    )


def _problem(kind: str, out: Path, shard: ExportShard) -> str | None:
    import lmdb

    path = out / shard.name
    try:
        text = read_regular(path / META_INFO).decode()
        with (
            closing(lmdb.open(str(path), readonly=True, lock=False)) as database,
            database.begin() as transaction,
        ):
            there = [(key.decode(), sha256(value)) for key, value in transaction.cursor()]
    except (OSError, ValueError, UserError, lmdb.Error) as error:
        return f"{path}: cannot be read ({error})"
    wanted = [(pair.id, pair.pictures[kind].sha256) for pair in shard.pairs]
    same = there == wanted and text == _meta_info(kind, shard.pairs)
    return None if same else f"{path}: does not hold what the data set does"
