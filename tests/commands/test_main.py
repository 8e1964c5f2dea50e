"""Exit codes, and the one line that each of them comes with."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pytest
from installed import write_package
from small_results import write_data_set

from blurbench import __main__ as entry
from blurbench.cli import cli
from blurbench.commands.reproduce import stop_told
from blurbench.errors import DEBUG, TOLD, UserError
from blurbench.files import CannotWrite, json_document
from blurbench.signals import KEPT


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DEBUG, "0")


@pytest.fixture
def failing(monkeypatch):
    """A command `fail` that does what it is told to."""

    def add(what):
        monkeypatch.setitem(cli.commands, "fail", click.Command("fail", callback=what))

    return add


def raising(error):
    def fail():
        raise error

    return fail


def test_a_stop_says_where_nothing_more_is_needed_to_go_on(failing, capsys):
    def fail():
        with stop_told():
            raise KeyboardInterrupt

    failing(fail)
    assert entry.run(["fail"]) == 130
    assert capsys.readouterr().err.strip() == (
        "blurbench: interrupted; what was finished is kept; the same command goes on"
    )


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("a.png: is\nno picture"), 2, "a.png: is no picture"),
        (UserError("\x1b[2Ja\0\udcff"), 2, re.escape(r"\x1b[2Ja\x00\udcff")),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), 2, "a: No such file"),
        (
            CannotWrite(errno.EACCES, "Permission denied", "out/a.csv"),
            2,
            r"out/a.csv: cannot write \(Permission denied\); mend that and run the same command"
            " again; what was finished is kept$",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, r"the disk: cannot write \(No space"),
        (OSError(errno.EIO, "Input/output error"), 2, "OSError: "),
        (KeyboardInterrupt(), 130, "interrupted; what was finished is kept"),
        (click.Abort(), 130, "interrupted; what was finished is kept"),
        (
            ValueError("a\nb"),
            70,
            r"a fault of blurbench: ValueError: a b \(.*\); all of it is in /",
        ),
        (EOFError("cut"), 70, "a fault of blurbench: EOFError: cut "),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, "BrokenPipeError: "),
        (MemoryError(), 70, "a fault of blurbench: MemoryError "),
        (RecursionError("deep"), 70, "a fault of blurbench: RecursionError: deep "),
    ],
)
def test_every_end_is_one_line(error, code, line, failing, capsys):
    failing(raising(error))
    assert entry.run(["fail"]) == code
    told = capsys.readouterr().err.strip()  # click closes the line of a ^C
    assert re.match(f"blurbench: {line}", told)
    assert "\n" not in told


def test_what_nobody_foresaw_is_told_with_its_place_and_a_file_of_all_of_it(
    failing, capsys, tmp_path
):
    failing(lambda: json_document({1, 2}))
    words = ["fail"]
    assert entry.run(words) == 70
    told = capsys.readouterr().err
    assert re.search(r"not JSON serializable \(files\.py:\d+\); all of it is in /", told)
    (report,) = tmp_path.glob("blurbench-fault-*.txt")
    assert f"all of it is in {report}, to report it" in told
    text = report.read_text()
    assert "command   blurbench fail\n" in text
    assert "Traceback (most recent call last):" in text
    assert "in json_document" in text
    assert re.search(r"^torch \d", text, re.M)
    assert "Traceback" not in told


def test_a_report_names_no_password(failing, tmp_path):
    failing(raising(ValueError("s3://me:secret@host/a: torn")))
    entry.run(["fail"])
    (report,) = tmp_path.glob("blurbench-fault-*.txt")
    assert "secret" not in report.read_text()
    assert "s3://me:***@host/a: torn" in report.read_text()


def test_where_nothing_can_be_written_all_of_it_is_printed(failing, monkeypatch, capsys, tmp_path):
    failing(raising(ValueError("odd")))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    assert entry.run(["fail"]) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert re.search(r"blurbench: a fault of blurbench: ValueError: odd \(.*\)\n$", told)
    (tmp_path / "other").mkdir()
    assert entry.run(["fail"]) == 70
    assert list((tmp_path / "other").glob("blurbench-fault-*.txt"))


def test_all_of_it_on_request(failing, monkeypatch, capsys):
    monkeypatch.setenv(DEBUG, "1")
    failing(raising(ValueError("odd")))
    assert entry.run(["fail"]) == 70
    assert "Traceback" in capsys.readouterr().err


# Real processes: what a terminal, a pipe and a batch system see.


def started(words, **options):
    environment = os.environ | options.pop("environment", {})
    command = [sys.executable, "-m", "blurbench", *words]
    root = str(Path(entry.__file__).parents[1])
    path = os.pathsep.join([root, f"{root}/kernels", os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        env=environment | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_behind_head_it_ends_without_a_word():
    process = started(["list", "recipes"])
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""


@pytest.mark.parametrize("words", [["list", "protocols"], ["--help"]])
def test_no_terminal_is_too_small_for_a_name(words):
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    process = started(words, environment=plain)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.isascii()


@pytest.mark.parametrize(("words", "code"), [("--version", 0), ("nosuch", 2)])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_works_without_streams(closed, words, code, tmp_path):
    line = f'"{sys.executable}" -m blurbench {words} {closed}'
    assert subprocess.run(line, shell=True, check=False).returncode == code
    assert not [*tmp_path.iterdir()]  # no report of a fault


def test_a_profiler_gets_to_say_what_it_saw():
    words = ["-m", "cProfile", "-m", "blurbench", "--version"]
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    assert "function calls" in ran.stdout


def test_a_name_that_is_no_text_is_told():
    for words in (["verify", os.fsdecode(b"a\xff\xc3")], [os.fsdecode(b"li\xff")]):
        process = started(words)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "\\udcff" in err
        assert "Traceback" not in err


def silenced():
    """As a script starts what it leaves in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def wait_for(path, process):
    deadline = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("number", "word"), [(2, "interrupted"), (15, "terminated")])
def test_a_stop_while_it_is_imported_is_one_line(number, word, told, tmp_path):
    hanging = "import pathlib, time; pathlib.Path('importing').touch(); time.sleep(100)"
    (tmp_path / "click.py").write_text(hanging)
    environment = {TOLD: str(tmp_path / "told")} if told else {}
    process = started(["list"], environment=environment, preexec_fn=silenced)
    wait_for(tmp_path / "importing", process)
    process.send_signal(number)
    line = "" if told else f"blurbench: {word}; {KEPT}\n"
    assert (process.communicate(timeout=60), process.returncode) == (("", line), 128 + number)


def test_every_command_runs_below_what_hears_sigterm(monkeypatch, capsys):
    def leaves(command, *words):
        for name, below in getattr(command, "commands", {}).items():
            yield from leaves(below, *words, name)
        if not hasattr(command, "commands"):
            yield words, command

    def stop(**_options):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(100)

    seen = list(leaves(cli))
    assert len(seen) > len(cli.commands)  # those of groups, too
    for words, command in seen:
        monkeypatch.setattr(command, "callback", stop)
        monkeypatch.setattr(command, "params", [])
        assert entry.run(list(words)) == 143
        assert capsys.readouterr().err.strip() == f"blurbench: terminated; {KEPT}"


SYNTHESIZE = "synthesize demo --source builtin:procedural-faces --out out"
# A picture takes a second, so that the signal comes in the middle.
SLOW = """
import pathlib, time
from blurbench.metrics import Metric

SLOW = Metric("slow:slow", "Slow", higher_is_better=True)

def slow(restored, sharp, protocol):
    pathlib.Path("scoring").touch()
    time.sleep(1)
    return 0.0
"""


@pytest.mark.parametrize(
    ("line", "begun", "background"),
    [
        (SYNTHESIZE, "out", False),
        (SYNTHESIZE, "out", True),
        ("demo --out demo", "demo", True),
        ("evaluate --data data --identity --metrics slow --out result", "scoring", False),
    ],
)
@pytest.mark.slow
def test_sigterm_ends_real_commands_as_ctrl_c_does(line, begun, background, tmp_path):
    write_data_set(tmp_path / "data", 8)
    write_package(tmp_path, "slow", "blurbench.metrics", "slow = slow:SLOW", SLOW)
    process = started(line.split(), preexec_fn=silenced if background else None)
    wait_for(tmp_path / begun, process)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.strip().endswith("blurbench: terminated; what was finished is kept")
    assert "Traceback" not in err


def test_a_user_without_a_home_gets_one_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", dict[int, str]().__getitem__)  # KeyError: no such user
    assert os.path.expanduser("~") == "~"  # noqa: PTH111  # Path's raises
    entry.find_home()
    home = Path(os.environ["HOME"])
    assert (home.parent, home.stat().st_mode & 0o777) == (tmp_path, 0o700)
    monkeypatch.delenv("HOME")
    home.rmdir()
    home.symlink_to(tmp_path)  # what others may do in a shared folder
    entry.find_home()
    assert Path(os.environ["HOME"]) not in (home, tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    entry.find_home()
    assert os.environ["HOME"] == "/somewhere"
