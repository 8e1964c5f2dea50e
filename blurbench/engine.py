"""Runs shards of work: in this process, or on Dask workers here or elsewhere."""

import asyncio
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from blurbench import forkserver
from blurbench.errors import UserError, reason
from blurbench.memory import keep_freed
from blurbench.progress import Advance, tell_once
from blurbench.signals import STOPS, StopRequest, stop_signals

ItemT = TypeVar("ItemT")
ShardT = TypeVar("ShardT")
ResultT = TypeVar("ResultT")

# More than any cluster here has cores, and still only some megabytes on the scheduler.
IN_FLIGHT = 1024
CONNECT_S = 10
STARTS = 3  # of workers that end while they start, before that is told
QUIET_S = 20  # without a finished shard, until lost ones and workers are looked after
SILENT = logging.CRITICAL + 1
# Bytes: 2,100 page faults fewer for a severe pair of 640x480, 5 of its 39 ms.
PICTURES = (2**25, 2**27)
SHARERS = "BLURBENCH_SHARERS"  # how many workers share the memory of this machine


@dataclass(frozen=True)
class Workers:
    """Who does the work: this process, so many processes of this machine, or a Dask cluster."""

    count: int = 1  # 1 without a scheduler: this process
    scheduler: str | None = None  # address of a running one, such as "tcp://host:8786"
    apart: bool = False  # even one is a process of its own, with one thread, as each of several is
    kept: "Standing | None" = field(default=None, compare=False)  # by `staying`

    @property
    def alone(self) -> bool:
        """Whether this process does the work."""
        return self.count == 1 and self.scheduler is None and not self.apart

    def prepare(self, *modules: str) -> None:
        """Have those of this machine import what they will need, while this process goes on."""
        if not self.alone and self.scheduler is None:
            forkserver.begin(*modules)


@dataclass
class Standing:
    """Processes of this machine that stay for several `run_shards`; the first starts them."""

    stack: ExitStack
    cluster: Any = None

    def of(self, count: int) -> Any:
        """The cluster, with so many workers if it is started now."""
        self.cluster = self.cluster or self.stack.enter_context(_local(count))
        return self.cluster


@contextmanager
def staying(workers: Workers) -> Iterator[Workers]:
    """The same workers, of which those on this machine are started once at most."""
    with ExitStack() as stack:
        yield replace(workers, kept=Standing(stack))


ALONE = Workers()
_held: dict[str, Any] = {}  # what this process `held` last
_nannies: WeakSet[Any] = WeakSet()  # Dask's, in this process: each starts and watches a worker


@dataclass(frozen=True)
class Done(Generic[ShardT, ResultT]):
    """A shard that was finished, or given up: then it `killed` every worker that took it."""

    shard: ShardT
    result: ResultT | None
    killed: bool = False


def run_shards(
    function: Callable[[ShardT], ResultT],
    shards: Sequence[ShardT],
    workers: Workers = ALONE,
) -> Iterator[Done[ShardT, ResultT]]:
    """Yield each shard as it is finished, in any order.

    function and shards must be picklable; whatever `function` raises ends the run. A worker that
    dies is replaced and its shard tried again, at most three times. UserError where the scheduler
    cannot be reached, or is lost.
    """
    if not shards:
        return
    if workers.alone:
        keep_freed(*PICTURES)
        for shard in shards:
            yield Done(shard, function(shard))
        return
    workers.prepare(getattr(function, "func", function).__module__)
    with _client(workers, len(shards)) as client:
        # Of Dask's tasks that a stop ends under way asyncio would print a traceback each.
        client.loop.asyncio_loop.set_exception_handler(lambda *_: None)
        yield from _run_on(client, function, shards)


def run_items(
    function: Callable[[Sequence[ItemT]], None],
    items: Sequence[ItemT],
    advance: Advance,
    *,
    most: int,
    workers: Workers = ALONE,
    still_open: Callable[[list[ItemT]], list[ItemT]] = list,
) -> list[ItemT]:
    """`run_parts` of what gives back nothing; gives back the items that kill workers."""
    killers: list[ItemT] = []
    told = 0
    for done in run_parts(function, items, most=most, workers=workers, still_open=still_open):
        if done.killed:
            killers += done.shard
        else:
            advance(len(done.shard))
            told += len(done.shard)
    advance(len(items) - told - len(killers))  # those that were found not to be open
    return killers


def run_parts(
    function: Callable[[Sequence[ItemT]], ResultT],
    items: Sequence[ItemT],
    *,
    most: int,
    workers: Workers = ALONE,
    still_open: Callable[[list[ItemT]], list[ItemT]] = list,
) -> Iterator[Done[Sequence[ItemT], ResultT]]:
    """`run_shards` of at most so many items each.

    One item of a shard kills its workers: each that is `still_open` is tried again in a shard of
    its own, and at last with no other beside it. What kills even then is yielded as `killed`.
    """
    left = list(items)
    # About four shards a worker, so that all have work until near the end.
    for size in (min(most, math.ceil(len(left) / (4 * workers.count)) or 1), 1):
        shards: list[Sequence[ItemT]] = [
            left[start : start + size] for start in range(0, len(left), size)
        ]
        left = []
        for done in run_shards(function, shards, workers):
            if done.killed:
                left += done.shard
            else:
                yield done
        if left and size > 1:
            left = still_open(left)
    # Dask blames the shard that waits on a worker for its death, too, not only the one at work.
    alone: list[Sequence[ItemT]] = [[item] for item in left]
    for shard in alone:
        yield from run_shards(function, [shard], workers)


def _run_on(
    client: Any, function: Callable[[ShardT], ResultT], shards: Sequence[ShardT]
) -> Iterator[Done[ShardT, ResultT]]:
    from distributed import KilledWorker

    waiting = iter(shards)
    running: dict[Any, ShardT] = {}
    ready: SimpleQueue[Any] = SimpleQueue()

    def start(shard: ShardT) -> None:
        # pure=False: Dask would hash every argument, and give equal shards one result.
        future = client.submit(function, shard, pure=False)
        running[future] = shard
        future.add_done_callback(ready.put)

    for shard in islice(waiting, IN_FLIGHT):
        start(shard)
    while running:
        try:
            future = ready.get(timeout=QUIET_S)
        except Empty:
            for future in _stuck(client, running):
                start(running.pop(future))
            continue
        if future not in running:  # started anew
            continue
        if future.status == "lost":
            # Its worker died before the result left it; Dask makes it again.
            future.add_done_callback(ready.put)
            continue
        shard = running.pop(future)
        if future.status == "cancelled":
            raise UserError("the Dask scheduler was lost; run the same command again to go on")
        error = future.exception()
        if error is None:
            yield Done(shard, future.result())
        elif isinstance(error, KilledWorker):
            yield Done(shard, None, killed=True)
        else:
            raise error
        # One in for one out: never more than IN_FLIGHT wait on the scheduler.
        for following in islice(waiting, 1):
            start(following)


def _stuck(client: Any, running: Iterable[Any]) -> list[Any]:
    """Futures to start anew, after some quiet: they were lost, and no worker has them."""
    try:
        at_work = {key for keys in client.processing().values() for key in keys}
        if client.cluster is not None:
            client.cluster.loop.add_callback(_revive, client.cluster)
        elif not client.scheduler_info()["workers"]:
            tell_once("the Dask scheduler has no worker; waiting for one")
    except OSError:  # the scheduler is gone: its futures are cancelled
        return []
    return [each for each in running if each.status == "lost" and each.key not in at_work]


def _revive(cluster: Any) -> None:
    """Replace workers that Dask gave up, such as one that was killed while it started."""
    for name, nanny in list(cluster.workers.items()):
        if nanny.status.name in ("failed", "closed"):
            del cluster.workers[name]
    cluster.scale(len(cluster.worker_spec))


@contextmanager
def _client(workers: Workers, shards: int) -> Iterator[Any]:
    from distributed import Client
    from distributed.utils import LoopRunner

    # A Ctrl-C or a lost scheduler would otherwise print up to 70 lines of closed connections; what
    # matters of them is raised, or in `Done`. The client's logger has a level of its own.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(SILENT)
    if workers.scheduler is None:
        kept = workers.kept
        with (
            (
                nullcontext(kept.of(workers.count)) if kept else _local(min(workers.count, shards))
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        LoopRunner().run_sync(_answers, workers.scheduler)
        client = Client(workers.scheduler, timeout=CONNECT_S)
    except Exception as error:
        # What other servers say is taken for a length, such as of exbibytes, or for none at all.
        known = isinstance(error, OSError | ValueError) and str(error)
        told = known or "no Dask scheduler answers there"
        raise UserError(f"--scheduler {workers.scheduler}: cannot be reached ({told})") from None
    with client:
        yield client


async def _answers(address: str) -> None:
    """Raises where no scheduler answers in time; `Client` waits for ever on one that says nothing.

    That it can be connected to has a limit, and words, of its own.
    """
    from distributed import rpc

    async with rpc(address, timeout=CONNECT_S) as scheduler:
        await asyncio.wait_for(scheduler.identity(), CONNECT_S + 1)


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """So many processes of this machine, as a Dask cluster."""
    import dask
    from distributed import utils

    utils._forkserver_preload_set = True  # Dask would import pandas here, and set others than ours
    settings = {
        # Of those that are not forked; Dask itself says so to OpenMP, MKL and OpenBLAS.
        "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
        "distributed.nanny.environ": {**forkserver.passed_on(), SHARERS: str(workers)},
        "distributed.worker.multiprocessing-method": forkserver.method(),
        # A killed worker that was not back within 15 s, as on a busy machine, Dask ended for good.
        "distributed.deploy.lost-worker-timeout": "1 day",
    }
    with forkserver.used(), dask.config.set(settings):
        # An exception while it starts processes Dask would answer with 60 lines.
        with stop_signals() as stop, _given_up_at(stop):
            cluster = _started(
                stop,
                n_workers=workers,
                threads_per_worker=1,
                # Dask would give each the memory of one core, 2 GB on many machines, and stop or
                # end whoever holds 80 % of it; a network and a picture may take more. Tiles keep
                # the bound.
                memory_limit=0,
                # Not threads: a crash of native code then costs one worker.
                processes=True,
                # None would still ask for port 8787, and warn where a second run has it.
                dashboard_address="127.0.0.1:0",
                silence_logs=SILENT,
                preload=[__name__],
                preload_nanny=[__name__],
            )
        with cluster:
            if stop.asked:
                raise stop.interruption()
            yield cluster


def _started(stop: StopRequest, **options: Any) -> Any:
    """A cluster of this machine; UserError where its workers end before they are ready."""
    from distributed import LocalCluster

    tries = STARTS
    while True:
        try:
            return LocalCluster(**options)
        except Exception as error:
            if stop.asked:  # its workers were ended
                raise stop.interruption() from None
            # Dask starts a worker anew that ends later, but not one that ends while it starts.
            if not (tries := tries - 1):
                told = f"--workers {options['n_workers']}: workers end while they start"
                mend = "free memory, or give fewer; then run the same command again"
                raise UserError(f"{told} ({reason(error)}); {mend}") from None


@contextmanager
def _given_up_at(stop: StopRequest) -> Iterator[None]:
    """Inside, workers that still start are killed once a stop is asked for: it may take them 10 s.

    Dask waits for each, and would start those anew that die.
    """
    started = threading.Event()

    def watch() -> None:
        while not started.wait(0.1):
            for nanny in list(_nannies) if stop.asked else ():
                nanny.auto_restart = False
                if nanny.pid:
                    with suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        started.set()
        thread.join()


def dask_setup(server: Any) -> None:
    """Called by Dask in each worker as it starts, and before, in our process, for its nanny."""
    from distributed import Nanny

    if isinstance(server, Nanny):
        _nannies.add(server)
        forkserver.block_stops()  # what it starts, even a second one to fork from, inherits that
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    keep_freed(*PICTURES)


def sharers() -> int:
    """How many workers share the memory of this machine with this one, itself included."""
    return int(os.environ.get(SHARERS, "1"))


def held(key: str, make: Callable[[], ResultT]) -> ResultT:
    """What a worker keeps between its shards, such as a network: the last made, by its key."""
    if key not in _held:
        _held.clear()  # before the next is made: the memory may not hold both
        _held[key] = make()
    found: ResultT = _held[key]
    return found


def worker_number() -> int | None:
    """Which of the workers that blurbench started this process is, from 0; None for others."""
    from distributed import get_worker

    try:
        name = get_worker().name
    except ValueError:  # no worker at all
        return None
    return name if isinstance(name, int) else None
