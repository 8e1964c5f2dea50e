"""Parsers that may crash, hang or take all memory: called in a child process, within limits.

One child a process, started when it is first needed (0.1 s) and again when it died.
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

from blurbench.errors import UserError
from blurbench.memory import address_space, budget, in_words

ResultT = TypeVar("ResultT")

# The path first: what the parent could import, such as plug-ins, its child can.
START = "import sys; sys.path[:] = sys.argv[1:]; from blurbench.guarded import serve; serve()"
# Threads would only take address space: 128 MB of each arena of malloc, workspaces of each core.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
IMPORTS_S = 60  # for the imports of a function, before its own seconds begin
ORPHAN_S = 2  # how much longer than allowed a call lives whose parent died
SECONDS = 15  # for a call; with the start of a child below 20, after which people think it hangs
SLOWEST = 20_000_000  # bytes/s of a disk: a large file has more seconds
AGAIN = "get the file again, or take it out"


def guarded(
    function: Callable[..., ResultT],
    *arguments: Any,
    name: str,
    seconds: float = SECONDS,
    memory: int | None = None,
) -> ResultT:
    """Call a picklable function of a module in a child process; what it raises is raised here.

    UserError names `name` where the child dies, takes longer than `seconds`, or more than `memory`
    bytes beyond what it has (default: `memory.budget`).
    """
    request = pickle.dumps((function, arguments))
    with _LOCK:
        child = _living()
        # Not kept if anything goes wrong, Ctrl-C too: an answer would be taken for the next one's.
        try:
            kind, answer = child.ask(request, name, seconds, budget() if memory is None else memory)
        except BaseException:
            child.end()
            raise
        _CHILDREN[:] = [child]
    if kind == "raised":
        raise answer
    result: ResultT = answer
    return result


class _Child:
    """A Python process that calls what it is sent."""

    def __init__(self) -> None:
        """Start it; Ctrl-C in the terminal does not reach it, and its noise reaches nobody."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **ENVIRONMENT},
        )
        self.late = False

    def ask(self, request: bytes, name: str, seconds: float, memory: int) -> tuple[str, Any]:
        """What the call gave or raised; UserError where it ended the child."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            limit: float = IMPORTS_S
            with self._within(limit):
                pickle.dump((request, seconds, memory), self.process.stdin)
                self.process.stdin.flush()
                pickle.load(self.process.stdout)  # that it begins
            limit = seconds
            with self._within(limit):
                kind, answer = pickle.load(self.process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise UserError(f"{name}: reading it {self._end_of(limit)}; {AGAIN}") from None
        if kind == "memory":
            needs = f"needs more than {in_words(memory)} of memory"
            raise UserError(f"{name}: reading it {needs}; free some, or take the file out")
        return kind, pickle.loads(answer)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill it when the time is over: whatever waits for its pipes then sees their end."""
        clock = threading.Timer(seconds, self._expire)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
            clock.join()  # should it have run out just now, the next call must see that

    def _expire(self) -> None:
        self.late = True
        self.process.kill()

    def _end_of(self, limit: float) -> str:
        self.process.kill()
        code = self.process.wait()
        if self.late:
            return f"took over {limit:g} s"
        with suppress(ValueError):
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended its process (exit code {code})"

    def end(self) -> None:
        """Kill it, if it still lives."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # a request that nobody took
                pipe.close()  # type: ignore[union-attr]


_LOCK = threading.Lock()
_CHILDREN: list[_Child] = []  # one at most


def _living() -> _Child:
    """The child of before, unless it died since: no file is to blame for that."""
    while _CHILDREN:
        child = _CHILDREN.pop()
        if not child.late and child.process.poll() is None:
            return child
        child.end()
    return _Child()


def _forget() -> None:
    """After a fork: the child is the parent's, whose questions it answers."""
    global _LOCK
    _LOCK = threading.Lock()
    null = os.open(os.devnull, os.O_RDWR)
    for child in _CHILDREN:
        for pipe in (child.process.stdin, child.process.stdout):
            # Not closed: half a request may wait in them, which must not reach the child.
            os.dup2(null, pipe.fileno())  # type: ignore[union-attr]
        child.process.returncode = 0  # not ours to wait for
    os.close(null)
    _CHILDREN.clear()


os.register_at_fork(after_in_child=_forget)


def serve() -> None:
    """In the child: call what comes on standard input, until the parent is gone."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a codec prints is no answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError):
        while True:
            request, seconds, memory = pickle.load(requests)
            kind, answer = _call(request, answers, seconds, memory)
            _say(answers, (kind, answer))


def _say(answers: IO[bytes], message: Any) -> None:
    pickle.dump(message, answers)
    answers.flush()


def _call(request: bytes, answers: IO[bytes], seconds: float, memory: int) -> tuple[str, bytes]:
    """The kind of answer, and its pickle."""
    begun = False
    try:
        function, arguments = pickle.loads(request)  # imports what it needs
        _say(answers, None)
        begun = True
        # The default action ends the process, whatever C code it is in.
        signal.setitimer(signal.ITIMER_REAL, seconds + ORPHAN_S)
        with _limited(memory):
            return "gave", pickle.dumps(function(*arguments))
    except MemoryError:
        return "memory", b""
    except Exception as error:
        if not begun:
            _say(answers, None)
        return "raised", _pickled(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _limited(memory: int) -> Iterator[None]:
    """So many bytes more than the process has."""
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(ValueError, OSError):  # not every system has such a limit, or allows this one
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + memory, hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def _pickled(error: Exception) -> bytes:
    """An error as it is, or in words where it cannot be sent."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data
