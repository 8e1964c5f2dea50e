"""The process that reads: it answers each (reader, bytes) on its input with how that went."""

import os
import pickle
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

MEMORY = 16 * 2**30  # of addresses: no input may take the machine with it


class Answer(NamedTuple):
    """What became of an input."""

    outcome: str  # accepted, refused or traceback
    seconds: float
    told: str = ""


def send(pipe: BinaryIO, value: object) -> None:
    """One value to the other side."""
    data = pickle.dumps(value)
    pipe.write(struct.pack("<Q", len(data)) + data)
    pipe.flush()


def receive(pipe: BinaryIO) -> object:
    """One value from the other side; EOFError where that is gone."""
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(pipe.read(struct.unpack("<Q", head)[0]))


def answer(read: Callable[[bytes], object], data: bytes) -> Answer:
    """Read; what `blurbench` tells in one line (UserError, OSError, bad usage) is refused."""
    import click

    from blurbench.errors import UserError

    began = time.perf_counter()
    try:
        read(data)
    except (UserError, OSError, click.ClickException) as error:
        return Answer("refused", time.perf_counter() - began, str(error)[:200])
    except BaseException as error:
        told = f"{type(error).__name__}: {str(error)[:200]} {_place(error)}"
        return Answer("traceback", time.perf_counter() - began, told)
    return Answer("accepted", time.perf_counter() - began)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/blurbench/" in frame.filename] or frames
    return f"({ours[-1].filename.rpartition('/blurbench/')[2]}:{ours[-1].lineno})"


def main() -> None:
    """Until the other side closes."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what readers print is no answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from readers import READERS

    by_name = {reader.name: reader for reader in READERS}
    send(out, {name: reader.examples() for name, reader in by_name.items()})
    while True:
        try:
            name, data = receive(sys.stdin.buffer)  # type: ignore[misc]
        except EOFError:
            return
        send(out, answer(by_name[name].read, data))


if __name__ == "__main__":
    main()
