"""The done-record of a shard, kept while it is made: a kill costs only what was made since."""

import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Generic

from blurbench.datasets.format import Row
from blurbench.datasets.records import RECORDS, PairT, record_lines, still_open
from blurbench.errors import UserError
from blurbench.files import sha256, tell_unwritable
from blurbench.stores.store import Store

# A record takes 7 ms beside the syncs that its pictures need anyway, and 50 on a busy disk.
KEEP_S = 0.5


class ShardRecord(Generic[PairT]):
    """What one try at a shard has finished; pictures go into its `batch`.

    Pictures are made safe first: a record of ones that a crash tore would keep them.
    """

    def __init__(self, store: Store, pairs: Sequence[PairT], root: str | None = None) -> None:
        """Pairs that an earlier try made, before its worker died, are not `left`."""
        names = "\n".join(f"{pair.split}/{pair.id}" for pair in pairs)
        folder = f"{RECORDS}/{sha256(names.encode())[:32]}"
        self.left = still_open(store, pairs, root, folder) if store.exists(folder) else [*pairs]
        self.batch = store.batch()
        # A stopped worker may wake up while another makes its shard: each has its own.
        self._name = f"{folder}/{uuid.uuid4().hex}.jsonl"
        self._entries: list[Row] = []
        self._pool = ThreadPoolExecutor(1)
        self._keeping: Future[None] = Future()
        self._keeping.set_result(None)
        self._next = time.monotonic() + KEEP_S

    def add(self, entry: Row) -> None:
        """Note a pair that was made or failed; raises what kept an earlier one from the disk."""
        self._entries.append(entry)
        if time.monotonic() >= self._next and self._keeping.done():
            self._keep()

    def close(self) -> None:
        """Make all that was finished survive a kill and a crash."""
        with self._pool:
            self._keep()
            self._keeping.result()

    def _keep(self) -> None:
        # Where that failed, pictures are not safe: their pairs are in no record.
        self._keeping.result()
        # Meanwhile the next are made: on a busy disk waiting took as long as making.
        self._keeping = self._pool.submit(self._write, [*self._entries])
        self._next = time.monotonic() + KEEP_S

    def _write(self, entries: list[Row]) -> None:
        if entries:
            # Whole each time, not appended to: objects behind a URL cannot grow.
            self.batch.seal(self._name, record_lines(entries))


@contextmanager
def recording(
    store: Store, pairs: Sequence[PairT], root: str | None = None
) -> Iterator[ShardRecord[PairT]]:
    """The record of a shard; interrupted or out of disk, what was finished is kept."""
    with tell_unwritable(store.where()):
        record = ShardRecord(store, pairs, root)
        quiet: tuple[type[Exception], ...] = ()
        try:
            yield record
        except KeyboardInterrupt:
            # It ends as asked, also on a full disk: what was made last is made again.
            quiet = (OSError, UserError)
            raise
        finally:
            with suppress(*quiet):
                record.close()
