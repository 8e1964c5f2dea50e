"""The process that workers are forked from: how it starts, what it leaves alone, when it ends."""

import os
import signal
import subprocess
import sys
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import mkdtemp

import pytest

from blurbench import forkserver
from blurbench.signals import STOPS


@pytest.fixture
def started(monkeypatch):
    """What the environment and the blocked signals were when the server was started."""
    seen = {}
    monkeypatch.setattr(forkserver, "_pid", lambda: None)
    monkeypatch.setattr(forkserver, "_ours", forkserver._Ours())

    def start():
        seen["threads"] = [os.environ[name] for name in forkserver.ONE_CORE]
        seen["imports"] = (os.environ["PYTHONSAFEPATH"], os.environ["PYTHONPATH"].split(os.pathsep))
        seen["blocked"] = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", start)
    monkeypatch.setattr(
        "multiprocessing.forkserver.set_forkserver_preload", lambda names: seen.update(names=names)
    )
    return seen


def test_it_starts_with_one_core_and_with_signals_that_wait_for_the_parent(started, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    forkserver.begin("blurbench.words", "__main__")
    assert started["names"][-1] == "blurbench.words"
    assert started["imports"] == ("1", [each for each in sys.path if each])
    assert set(started["threads"]) == {"1"}
    assert set(STOPS) <= started["blocked"]
    # Of our own process nothing has changed.
    assert (os.environ["OMP_NUM_THREADS"], "MKL_NUM_THREADS" in os.environ) == ("7", False)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_neither_threads_nor_what_only_the_server_has_are_passed_on(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("ODD_NAME", "x")
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    passed = forkserver.passed_on()
    assert (passed["ODD_NAME"], passed["PYTHONPATH"], passed["PYTHONSAFEPATH"]) == ("x", "mine", "")
    assert "OMP_NUM_THREADS" not in passed


BEGUN = "from blurbench import forkserver as f; f.begin('endless'); print(f.method())"


@pytest.mark.parametrize(("folder", "told"), [("short", "forkserver"), ("long" * 30, "spawn")])
def test_one_that_still_imports_ends_with_us_and_without_one_workers_are_spawned(
    folder, told, tmp_path
):
    temporary = Path(mkdtemp(prefix="b", dir="/tmp"), folder)  # pytest's may be too long already
    temporary.mkdir()
    (tmp_path / "endless.py").write_text("import time; time.sleep(300)")
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path)}
    # Until nobody holds its output any more.
    ran = subprocess.run(
        [sys.executable, "-c", BEGUN], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr, [*temporary.iterdir()]) == (f"{told}\n", "", [])
    temporary.rmdir()
    temporary.parent.rmdir()


SHARED = """
import multiprocessing, os, sys, engine_jobs
from blurbench import forkserver
from blurbench.engine import Workers, run_shards
context = multiprocessing.get_context("forkserver")

def pool():
    with context.Pool(1) as pool:
        return pool.apply(os.getppid)  # who forked it

if __name__ == "__main__":
    first = pool() if sys.argv[1] == "before" else None
    assert len(list(run_shards(engine_jobs.square, range(4), Workers(2)))) == 4
    second = pool()
    print("same" if first == second else "another")
    # While a pool of the caller's lives on, ours are spawned.
    forkserver.begin()
    print(forkserver.method())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("when", "told"), [("before", "same"), ("after", "another")])
def test_what_the_caller_forks_is_forked_from_a_process_of_its_own(when, told, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SHARED)
    ran = subprocess.run(
        [sys.executable, str(script), when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.stdout, ran.stderr) == (f"{told}\nspawn\n", "")


def test_one_that_has_ended_is_started_again():
    for _ in range(2):
        with forkserver.used():
            forkserver.begin()
            assert forkserver.method() == "forkserver"
            there = forkserver._pid()
        # Dead, and Python has not asked yet.
        assert os.waitid(os.P_PID, there, os.WEXITED | os.WNOHANG | os.WNOWAIT)


# A process whose threads or whose GPU were in use cannot be forked.
IMPORTED = """
import os, torch
def refuse(*_): raise AssertionError("asks for a GPU while it is imported")
torch.cuda.is_available = torch.cuda.device_count = torch.cuda.init = refuse
import distributed.worker, blurbench.engine, blurbench.scoring.spread, blurbench.inference.restoring
import blurbench.datasets.assemble, blurbench.datasets.export.job, blurbench.datasets.verify
assert len(os.listdir("/proc/self/task")) == 1, os.listdir("/proc/self/task")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc has the number of threads")
def test_what_is_imported_before_a_fork_starts_no_thread_and_asks_for_no_gpu():
    environment = {**os.environ, **forkserver.ONE_CORE}
    subprocess.run([sys.executable, "-c", IMPORTED], check=True, env=environment)
