"""Feed every reader of tests/helpers/readers damaged files, and count what comes of it.

    python tests/fuzz/fuzz.py --each 10000 --out fuzz.json --found FOLDER

One child reads them all; it is started again when it dies. Exit code 1 where a reader ended in a
traceback or a signal, or took over 20 s.
"""

import argparse
import json
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import mutate
from child import Answer, receive, send

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MEMORY = Path("/dev/shm")
SLOW, PATIENCE = 20.0, 40.0  # s: what is counted, and what is waited for
COUNTED = ("accepted", "refused", "traceback", "signal", "slow")


class Child:
    """The process that reads; it lives until an input kills it."""

    def __init__(self, scratch: str) -> None:
        """Started at once; `examples` are the valid files by reader. `scratch`: a folder."""
        self.scratch = scratch
        self.start()

    def start(self) -> None:
        """A new one."""
        folders = (HERE.parents[1], HERE.parents[1] / "kernels", HERE.parent / "helpers")
        paths = os.pathsep.join(map(str, folders))
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "child.py")],
            env={
                **os.environ,
                "PYTHONPATH": paths,
                "OMP_NUM_THREADS": "1",
                "TMPDIR": self.scratch,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.examples: dict[str, list[bytes]] = receive(self.process.stdout)  # type: ignore

    def read(self, name: str, data: bytes) -> Answer:
        """How the reader took it; a child that died or hangs is replaced."""
        began = time.perf_counter()
        try:
            send(self.process.stdin, (name, data))
            if select.select([self.process.stdout], [], [], PATIENCE)[0]:
                return receive(self.process.stdout)  # type: ignore[return-value]
            self.process.kill()
            told = Answer("slow", time.perf_counter() - began, f"no answer within {PATIENCE:.0f} s")
        except (EOFError, BrokenPipeError):
            number = -self.process.wait()
            told = Answer("signal", time.perf_counter() - began, f"signal {number}")
        self.process.wait()
        self.start()
        return told

    def end(self) -> None:
        """Close its input, and wait."""
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()


def inputs(name: str, examples: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """The valid files, and `count` damaged ones: the same for a name, a count and a seed."""
    yield from examples
    for n in range(count):
        chance = random.Random(zlib.crc32(f"{seed} {name} {n}".encode()))
        yield mutate.mutated(chance.choice(examples), chance, examples)


def folder_of(name: str) -> str:
    """A reader's folder in the corpus."""
    return "".join(c if c.isalnum() else "-" for c in name).strip("-").lower()


def corpus(name: str) -> list[bytes]:
    """What was found earlier."""
    return [path.read_bytes() for path in sorted((CORPUS / folder_of(name)).glob("*"))]


class Counter:
    """Outcomes by reader, and the inputs behind the bad ones."""

    def __init__(self, found: Path | None) -> None:
        """found: a folder for bad inputs."""
        self.found = found
        self.counts: dict[str, dict[str, int]] = {}
        self.told: dict[str, str] = {}  # what went wrong -> the first input

    def add(self, name: str, data: bytes, how: Answer) -> None:
        """One input."""
        counts = self.counts.setdefault(name, dict.fromkeys(COUNTED, 0))
        outcome = "slow" if how.seconds > SLOW else how.outcome
        counts[outcome] += 1
        if outcome in ("accepted", "refused"):
            return
        kind, place = how.told.split(":")[0], how.told.rpartition("(")[2]
        key = f"{name} {outcome} {kind} {place}"  # messages name bytes and places of the input
        if key not in self.told:
            self.told[key] = f"{zlib.crc32(data):08x}"
            print(f"  {name}: {outcome}: {how.told} [{self.told[key]}]", flush=True)
            if self.found:
                place = self.found / folder_of(name)
                place.mkdir(parents=True, exist_ok=True)
                (place / self.told[key]).write_bytes(data)

    def bad(self) -> int:
        """Tracebacks, signals and what took too long."""
        return sum(counts[how] for counts in self.counts.values() for how in COUNTED[2:])

    def table(self) -> str:
        """Markdown."""
        lines = ["| reader | inputs | accepted | refused | tracebacks | signals | over 20 s |"]
        lines += ["|---|---|---|---|---|---|---|"]
        everything = dict.fromkeys(COUNTED, 0)
        for name, counts in self.counts.items():
            lines.append(_row(name, counts))
            everything = {how: everything[how] + counts[how] for how in COUNTED}
        return "\n".join([*lines, _row(f"all {len(self.counts)}", everything)])


def _row(name: str, counts: dict[str, int]) -> str:
    cells = [sum(counts.values()), *(counts[how] for how in COUNTED)]
    return f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |"


def main() -> int:
    """See the top of the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--each", type=int, default=10_000, help="damaged files a reader")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="readers whose name has this in it")
    options.add_argument("--part", default="0/1", help="such as 1/2: every second reader")
    options.add_argument("--found", type=Path, help="folder for the inputs that went wrong")
    options.add_argument("--out", type=Path, help="counts as JSON")
    asked = options.parse_args()
    if asked.found:
        shutil.rmtree(asked.found, ignore_errors=True)
    counter, began = Counter(asked.found), time.perf_counter()
    # In memory, where there is such a place: every input is a file or more.
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, ignore_cleanup_errors=True) as scratch:
        child = Child(scratch)
        feed(child, counter, asked)
        child.end()
    print(f"\n{counter.table()}\n\n{time.perf_counter() - began:.0f} s")
    if asked.out:
        asked.out.write_text(json.dumps(counter.counts, indent=1))
    return 1 if counter.bad() else 0


def feed(child: Child, counter: Counter, asked: argparse.Namespace) -> None:
    """All inputs of all readers that are asked for."""
    part, parts = map(int, asked.part.split("/"))
    for number, (name, examples) in enumerate(child.examples.items()):
        if asked.only not in name or number % parts != part:
            continue
        started = time.perf_counter()
        for data in [*corpus(name), *inputs(name, examples, asked.each, asked.seed)]:
            counter.add(name, data, child.read(name, data))
        for data in examples:  # damaged files leave nothing behind that matters to others
            how = child.read(name, data)
            if how.outcome != "accepted":
                how = how._replace(outcome="traceback", told=f"a valid file: {how.told}")
            counter.add(name, data, how)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
