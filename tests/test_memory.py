"""How much memory there is, and what does not fit into it."""

import gc
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from blurbench import memory
from blurbench.errors import UserError
from blurbench.memory import budget, group_limits, refuse_over


def test_groups_of_both_versions_limit_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text("3000\n")
    (tmp_path / "slice" / "step").mkdir(parents=True)
    (tmp_path / "slice" / "memory.max").write_text("5000\n")
    (tmp_path / "slice" / "step" / "memory.max").write_text("max\n")
    own = tmp_path / "own"
    own.write_text("5:cpu:/job\n4:memory:/job/step\n0::/slice/step\n")
    assert group_limits(tmp_path, own) == [3000, 5000]
    assert group_limits(tmp_path, tmp_path / "nowhere") == []


def test_what_is_free_is_the_least_of_all_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_text("900 10 5")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  1024 kB\n")
    monkeypatch.setattr(memory, "group_limits", lambda: [])
    assert budget(tmp_path) == 2**20
    monkeypatch.setattr(memory, "group_limits", lambda: [2**20])
    assert budget(tmp_path) < 2**20


def test_here_is_some_memory_free() -> None:
    assert 2**20 < budget() < 2**45


def test_what_is_left_is_never_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "group_limits", lambda: [10])
    assert budget() == 0


def test_the_limit_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    most = memory.address_space() + 12345
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (most, most))
    assert budget() == 12345


def test_what_does_not_fit_is_told_before_it_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "budget", lambda: 1_500_000_000)
    refuse_over("a.png", 10_000, 10_000, 15)
    told = (
        r"a\.png: 10000x10001 px need 1\.5 GB of memory, 1\.5 GB are free; "
        "make it smaller, or free memory"
    )
    with pytest.raises(UserError, match=told):
        refuse_over("a.png", 10_000, 10_001, 15)


def test_of_small_pictures_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "budget", lambda: pytest.fail("asked"))
    refuse_over("a.png", 1000, 1000, 64)


@pytest.mark.parametrize("before", [True, False])
def test_garbage_is_looked_for_again_after_many_objects(before: bool) -> None:
    (gc.enable if before else gc.disable)()
    try:
        with suppress(KeyError), memory.uncollected():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is before
    finally:
        gc.enable()


def test_memory_that_was_freed_is_taken_again() -> None:
    """In a process of its own: what malloc keeps, it keeps for good."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another malloc than glibc's")
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    ).stdout
    before, after = map(int, told.split())
    # 195,000 and 0 pages of 4 kB; fewer, of 2 MB, where the system has huge ones by itself.
    assert after < before / 3


# Blocks of up to 32 MB it learns to keep by itself. Each next one is smaller than the first: a
# small one that comes to lie behind it may keep one of the same size from its place.
FAULTS = """
import resource
from blurbench.memory import keep_freed

def faults(megabytes):
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * (megabytes * 1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun

before = sum(faults(40) for _ in range(20))
keep_freed(2**30, 2**31 - 1)
faults(200)
print(before, sum(faults(40) for _ in range(20)))
"""
