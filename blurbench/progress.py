"""Progress of whatever runs longer than two seconds: a bar on a terminal, else plain lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

LINE_EVERY_S = 10.0


class Advance(Protocol):
    """Call with the number of items just finished, and what to say beside the count."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Report `count` more items done."""


@contextmanager
def progress(label: str, total: int, start: int = 0) -> Iterator[Advance]:
    """Show `label` going from `start` to `total`; yields the function that advances it."""
    show = _bar if sys.stderr.isatty() else _lines
    with show(label, total, start) as advance:
        yield advance


def tell(line: str) -> None:
    """Say one line beside the progress, which a bar on a terminal lets pass above itself."""
    print(line, file=sys.stderr)


@cache
def tell_once(line: str) -> None:
    """`tell` what has not been told yet in this process."""
    tell(line)


@contextmanager
def _bar(label: str, total: int, start: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total, completed=start, note="")
        yield lambda count=1, note="": bar.update(task, advance=count, note=note)


@contextmanager
def _lines(label: str, total: int, start: int) -> Iterator[Advance]:
    done, began, last = start, time.monotonic(), time.monotonic()

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= LINE_EVERY_S and done < total:
            last = now
            left = (now - began) / max(done - start, 1) * (total - done)
            rest = f", {left:.0f} s left" if done > start else ""
            print(f"{label}: {done}/{total}{rest} {note}".rstrip(), file=sys.stderr)

    yield advance
    print(f"{label}: {done}/{total} in {time.monotonic() - began:.1f} s", file=sys.stderr)
