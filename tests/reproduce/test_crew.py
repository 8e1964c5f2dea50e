"""The same command beside this process, here and on a cluster."""

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest

from blurbench.commands.options import many_workers, same_command
from blurbench.engine import Done, Workers
from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.reproduce import crew as module
from blurbench.reproduce.crew import LEADER, LOGS, crew, help_out

# Notes that it runs, then waits for SIGTERM or the file "enough", and says what ended it.
WAITS = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def end(*_):
    (folder / f"ended-{os.getpid()}").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
(folder / f"began-{os.getpid()}").write_text(os.environ["OMP_NUM_THREADS"])
print("at work")
while not (folder / "enough").exists():
    time.sleep(0.01)
"""


def waits(folder: Path) -> list[str]:
    return [sys.executable, "-c", WAITS, str(folder)]


def marks(folder: Path, kind: str) -> list[Path]:
    return list(folder.glob(f"{kind}-*"))


def wait_for(folder: Path, kind: str, count: int) -> None:
    stop = time.monotonic() + 30
    while len(marks(folder, kind)) < count and time.monotonic() < stop:
        time.sleep(0.01)
    assert len(marks(folder, kind)) == count


def test_so_many_are_at_work_with_this_one_and_are_waited_for(tmp_path):
    with crew(waits(tmp_path), Workers(3), tmp_path, print):
        wait_for(tmp_path, "began", 2)
        (tmp_path / "enough").touch()
    assert [each.read_text() for each in marks(tmp_path, "began")] == ["1", "1"]
    assert marks(tmp_path, "ended") == []
    logs = sorted((tmp_path / LOGS).iterdir())
    assert [each.read_text() for each in logs] == ["at work\n", "at work\n"]


def test_one_that_was_killed_is_told_with_its_log(tmp_path):
    told: list[str] = []
    command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with crew(command, Workers(2), tmp_path, told.append):
        pass
    assert told == [f"number 2: ended with exit code -9; {tmp_path / LOGS}/2.log says why"]


def test_what_ends_this_one_ends_the_others_as_sigterm_does(tmp_path):
    with suppress(KeyboardInterrupt), crew(waits(tmp_path), Workers(3), tmp_path, print):
        wait_for(tmp_path, "began", 2)
        raise KeyboardInterrupt
    assert len(marks(tmp_path, "ended")) == 2


def test_one_on_a_cluster_ends_once_its_leader_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.05)
    found = []

    def help_here() -> None:
        found.append(help_out(waits(tmp_path), tmp_path, 0))

    with locked(tmp_path / LEADER):
        helper = threading.Thread(target=help_here)
        helper.start()
        wait_for(tmp_path, "began", 1)
        time.sleep(0.2)
        assert helper.is_alive()
    helper.join(30)
    assert found[0][1] == 143
    assert len(marks(tmp_path, "ended")) == 1


@pytest.mark.parametrize("codes", [[1, -9], [-9, -9]])
def test_a_cluster_is_waited_for_first_and_told_of_where_all_of_it_died(
    tmp_path, monkeypatch, codes
):
    def ended(function, shards, workers):
        assert workers.scheduler == "tcp://there:1"
        assert function.args == (["command"], tmp_path)
        yield from (Done(n, (f"process {n}", code)) for n, code in zip(shards, codes, strict=True))

    monkeypatch.setattr(module, "run_shards", ended)
    told: list[str] = []
    entered = False
    with suppress(UserError), crew(["command"], Workers(2, "tcp://there:1"), tmp_path, told.append):
        entered = True
    assert entered == (1 in codes)
    assert told[1:] == [f"process {n}: ended with exit code {code}" for n, code in enumerate(codes)]


def test_the_command_is_given_again_with_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []

    @click.command("make")
    @click.argument("table")
    @click.option("--out", type=click.Path(path_type=Path))
    @click.option("--minutes", type=float)
    @click.option("--plan", is_flag=True)
    @many_workers
    def make(**_options: object) -> None:
        context = click.get_current_context()
        found.append(same_command(context, workers=1, scheduler=None, minutes=None))

    words = ["t", "--out", "o", "--minutes", "3", "--scheduler", "x", "--workers", "4"]
    make.main(words, standalone_mode=False)
    assert found[0][:3] == [sys.executable, "-m", "blurbench"]
    assert found[0][3:] == ["make", "t", "--out", str(tmp_path / "o"), "--workers", "1"]
