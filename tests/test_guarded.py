"""What crashes, hangs or eats memory ends a child, and is one line here."""

import ctypes
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blurbench.engine import Workers, run_shards
from blurbench.errors import UserError
from blurbench.guarded import guarded


def test_gives_back_what_the_function_gives() -> None:
    assert guarded(divmod, 17, 5, name="a") == (3, 2)
    assert len(guarded(bytes, 10**7, name="a")) == 10**7


def test_one_child_answers_all_calls() -> None:
    first = guarded(os.getpid, name="a")
    assert first == guarded(os.getpid, name="b") != os.getpid()


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(divmod, 1, 0, name="a")
    before = guarded(os.getpid, name="a")
    with pytest.raises(ValueError, match="invalid literal"):
        guarded(int, "x", name="a")
    assert guarded(os.getpid, name="a") == before


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        (ctypes.string_at, (0,), r"a\.mat: reading it crashed \(SIGSEGV\); get the file again"),
        (os.abort, (), r"a\.mat: reading it crashed \(SIGABRT\)"),
        (os._exit, (3,), r"a\.mat: reading it ended its process \(exit code 3\)"),
        (time.sleep, (60,), r"a\.mat: reading it took over 0\.5 s"),
        (bytearray, (10**9,), r"a\.mat: reading it needs more than 0\.1 GB of memory; free some"),
    ],
)
def test_what_ends_the_child_is_one_line_and_the_next_call_works(
    function, arguments, told, capfd
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        guarded(function, *arguments, name="a.mat", seconds=0.5, memory=10**8)
    assert "\n" not in str(caught.value)
    assert guarded(divmod, 17, 5, name="b") == (3, 2)
    assert capfd.readouterr() == ("", "")


def test_a_child_that_stops_itself_is_late() -> None:
    child = guarded(os.getpid, name="a")
    with pytest.raises(UserError, match=r"a: reading it took over 0\.2 s"):
        guarded(os.kill, child, signal.SIGSTOP, name="a", seconds=0.2)
    assert guarded(os.getpid, name="a") != child


def test_a_call_after_the_child_was_killed_starts_another() -> None:
    child = guarded(os.getpid, name="a")
    os.kill(child, signal.SIGKILL)
    while not _is_dead(child):
        time.sleep(0.01)
    assert guarded(os.getpid, name="a") not in (child, os.getpid())


def test_prints_of_a_codec_are_no_answer(capfd) -> None:
    assert guarded(os.write, 1, b"noise", name="a") == 5
    assert guarded(os.write, 2, b"noise", name="a") == 5
    assert capfd.readouterr() == ("", "")


def test_the_limits_of_the_parent_stay() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    guarded(divmod, 17, 5, name="a", memory=10**8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_forked_process_has_a_child_of_its_own() -> None:
    ours = guarded(os.getpid, name="a")
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        theirs = pool.apply(guarded, (os.getpid,), {"name": "a"})
    assert theirs not in (ours, os.getpid())
    assert guarded(os.getpid, name="a") == ours


PARENT = """
import os, signal, sys, time
from blurbench.guarded import guarded
print(guarded(os.getpid, name="a"), flush=True)
if sys.argv[1] == "busy":
    guarded(time.sleep, 60, name="a", seconds=1)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_child_dies_with_its_parent(state: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        assert parent.stderr
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
        assert parent.stderr.read() == b""
    ended = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and not _is_dead(child):
        assert time.monotonic() < ended, "it lives on"
        time.sleep(0.05)


def _is_dead(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    return bool(re.search(r"^State:\s+Z", status, re.MULTILINE))


LOADED = "sorted({'numpy', 'torch', 'cv2', 'pandas', 'scipy'} & set(__import__('sys').modules))"


def test_the_child_imports_little() -> None:
    os.kill(guarded(os.getpid, name="a"), signal.SIGKILL)
    time.sleep(0.1)
    assert guarded(eval, LOADED, name="a") == []


@pytest.mark.slow
def test_workers_of_dask_have_children_of_their_own() -> None:
    shards = [1, 2, 3, 4]
    done = [each.result for each in run_shards(_child_of_worker, shards, Workers(2))]
    assert all(child != worker for worker, child in done)
    assert len({child for _, child in done}) == len(shards)  # each crash cost one


def _child_of_worker(_: int) -> tuple[int, int]:
    with pytest.raises(UserError, match="SIGSEGV"):
        guarded(ctypes.string_at, 0, name="a")
    return os.getpid(), guarded(os.getpid, name="a")
