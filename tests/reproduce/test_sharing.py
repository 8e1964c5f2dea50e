"""Several processes on one list of jobs: each is done once, and a killed one's is taken over."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from blurbench.reproduce.sharing import FAILED, Sharing

JOBS = [f"runs/{letter}" for letter in "abcdefgh"]


def quietly(_line: str) -> None:
    pass


def work(folder: Path, seconds: float) -> None:
    """Do what is left; each job appends a line, so that one done twice shows."""
    sharing = Sharing(folder / "claims", quietly, poll=0.01)
    for job in sharing.each(JOBS, str, lambda name: (folder / name).is_file()):
        if job == "runs/c":
            (folder / "tried").open("a").write("c\n")
            sharing.fail(job, "no such picture")
            continue
        time.sleep(seconds)
        (folder / "runs").mkdir(exist_ok=True)
        (folder / job).open("a").write(f"{os.getpid()}\n")


def start(folder: Path, seconds: float) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=work, args=(folder, seconds))
    process.start()
    return process


def test_two_processes_do_each_job_once(tmp_path):
    both = [start(tmp_path, 0.02), start(tmp_path, 0.02)]
    for process in both:
        process.join(20)
        assert process.exitcode == 0
    done = [(tmp_path / job).read_text().split() for job in JOBS if job != "runs/c"]
    assert all(len(lines) == 1 for lines in done)
    assert {line for lines in done for line in lines} == {str(each.pid) for each in both}


def test_what_a_killed_process_held_is_taken_over(tmp_path):
    killed = start(tmp_path, 60)
    while not list(tmp_path.glob("claims/runs/a/.lock")):
        time.sleep(0.01)
    other = start(tmp_path, 0.0)
    while not (tmp_path / "runs" / "h").is_file():
        time.sleep(0.01)
    assert other.is_alive()  # waits for a
    os.kill(killed.pid or 0, signal.SIGKILL)
    other.join(20)
    assert other.exitcode == 0
    assert (tmp_path / "runs" / "a").read_text() == f"{other.pid}\n"


def test_what_failed_elsewhere_is_not_tried_for_ever(tmp_path):
    mine = Sharing(tmp_path / "claims", quietly)  # begun before the other fails
    work(tmp_path, 0.0)
    assert list(mine.each(JOBS, str, lambda name: (tmp_path / name).is_file())) == []
    assert mine.failures == {"runs/c": "no such picture"}
    # Another attempt tries it once more.
    work(tmp_path, 0.0)
    assert (tmp_path / "tried").read_text() == "c\nc\n"
    assert "done" not in json.loads((tmp_path / "claims/runs/c/failed.json").read_text())


def test_a_job_that_is_left_undone_counts_as_failed_once(tmp_path):
    sharing = Sharing(tmp_path, quietly)
    assert list(sharing.each(["a"], str, lambda _: False)) == ["a"]
    assert sharing.failed("a") == "it ended and was not done"
    sharing = Sharing(tmp_path, quietly)
    finished: list[str] = []
    for job in sharing.each(["a"], str, finished.__contains__):
        finished.append(job)
    assert not (tmp_path / "a" / "failed.json").exists()


def test_it_says_what_it_waits_for(tmp_path):
    told: list[str] = []
    holding, waiting = Sharing(tmp_path, quietly), Sharing(tmp_path, told.append, poll=0.001)
    with holding.claimed("runs/a"), holding.claimed("runs/a"):  # once more is no deadlock

        def tell(line: str) -> None:
            told.append(line)
            raise TimeoutError

        waiting.tell = tell
        with pytest.raises(TimeoutError):
            waiting.claimed("runs/a").__enter__()
    assert told[0].startswith(f"waiting for runs/a, with process {os.getpid()} on ")
    with waiting.claimed("runs/a"):
        pass


@pytest.mark.parametrize("before", [True, False])
def test_a_pipe_in_the_place_of_a_failure_is_waited_for_by_nobody(tmp_path, before):
    (tmp_path / "runs/a").mkdir(parents=True)
    if before:
        os.mkfifo(tmp_path / "runs/a" / FAILED)
    sharing = Sharing(tmp_path, quietly)
    if not before:
        os.mkfifo(tmp_path / "runs/a" / FAILED)
    assert sharing.failed("runs/a") == ""
