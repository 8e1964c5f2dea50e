"""How much memory this process may still take, reckoned before anything is begun."""

import ctypes
import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from blurbench.errors import UserError

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Reading what is free takes 0.1 ms; what is smaller than this is begun without asking.
SMALL = 2**26
# Names of glibc's malloc.h, and the largest block that some of its versions take.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**25


def budget(process: Path = Path("/proc")) -> int:
    """Bytes that this process may still take: of the machine, its control groups, its own limit."""
    page = os.sysconf("SC_PAGE_SIZE")
    if not (process / "meminfo").is_file():  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * page // 2
    lines = (process / "meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    # A limit is of all that is held; what this process holds already is gone.
    held = int((process / "self/statm").read_text().split()[1]) * page
    left = [available * 2**10, *(limit - held for limit in group_limits())]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        left.append(own - address_space(process))
    return max(0, min(left))


def address_space(process: Path = Path("/proc")) -> int:
    """Bytes of addresses that this process has; 0 where the system does not tell."""
    statm = process / "self/statm"
    if not statm.is_file():
        return 0
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def group_limits(root: Path = CGROUPS, own: Path = OWN_GROUPS) -> list[int]:
    """Bytes that control groups, of a container or a SLURM job, leave to this process."""
    limits = []
    for line in own.read_text().splitlines() if own.is_file() else []:
        _, kinds, name = line.split(":", 2)
        # Version 2 has one tree of all kinds, and names none.
        tree, file = (root / kinds, "memory.limit_in_bytes") if kinds else (root, "memory.max")
        group = tree / name.strip("/")
        for path in (folder / file for folder in (group, *group.parents)):
            if path.is_relative_to(tree) and path.is_file():
                text = path.read_text().strip()
                limits += [int(text)] if text.isdigit() else []  # "max" is none
    return limits


def shortage(width: int, height: int, bytes_per_pixel: float) -> str:
    """What a picture of so many px lacks; empty where the memory holds what is done with it."""
    needed = int(width * height * bytes_per_pixel)
    if needed <= SMALL or needed <= (free := budget()):
        return ""
    return f"{width}x{height} px need {in_words(needed)} of memory, {in_words(free)} are free"


def refuse_over(name: str, width: int, height: int, bytes_per_pixel: float) -> None:
    """UserError, before anything is begun, where a picture takes more memory than there is."""
    if problem := shortage(width, height, bytes_per_pixel):
        raise UserError(f"{name}: {problem}; make it smaller, or free memory")


def in_words(size: int) -> str:
    """Such as "1.5 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


@cache
def keep_freed(block: int, kept: int) -> None:
    """Ask glibc not to return freed memory that the next picture asks back, page by page.

    `block`: up to how many bytes at a time; `kept`: how many in all. Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, block) or mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, kept)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be looked for while millions of objects are made that all stay.

    Python would look through all of them again whenever they are a quarter more.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
