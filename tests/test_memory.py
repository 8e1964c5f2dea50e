"""How much memory there is, and what does not fit into it."""

import resource
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
