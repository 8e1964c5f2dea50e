"""A training that is killed again and again, and whose newest checkpoint is damaged in between.

    python tests/helpers/killed_training.py FOLDER KILLS DAMAGES SEED

Prints what happened as JSON. Each start is a process of its own, forked from one that has imported
all: a whole start would cost 5 s.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
STEPS = 24
WEIGHTS = ("model.safetensors", "last.safetensors")
RECORDS = ("config.json", "weights.json")
KILLED = {-signal.SIGKILL, 143}
SET = ("widths=[4,8]", "blocks=[1,1]", "crop_size=16", "batch_size=2", "ema=0.9", "precision=fp32")


def killed_training(folder: Path, kills: int, damages: int, seed: int = 0) -> dict[str, int]:
    """What became of it: see `Trial`. AssertionError where other weights or another word came."""
    command = [sys.executable, __file__, str(folder), str(kills), str(damages), str(seed)]
    places = (HERE, HERE.parents[1] / "kernels", HERE.parents[1])
    environment = os.environ | {"PYTHONPATH": ":".join(map(str, places)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, int] = json.loads(done.stdout)
    return told


def flip(path: Path, chance: random.Random) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random) -> None:
    """The end of a file is gone."""
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def gone(path: Path, _: random.Random) -> None:
    """All of it."""
    path.unlink()


def anothers(path: Path, _: random.Random) -> None:
    """The file of the checkpoint before; where there is none, nothing is left of it."""
    older = sorted(path.parents[1].glob(f"*[0-9]/{path.name}"))[-2:][0]
    path.write_bytes(older.read_bytes() if older != path else b"")


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (flip, flip, cut, gone, anothers)


@dataclass
class Trial:
    """One training after the other, until there were enough faults."""

    folder: Path
    chance: random.Random
    found: Counter[str] = field(default_factory=Counter)

    def run(self, kills: int, damages: int) -> None:
        """Disturb until both are spent; every run that ends must have the undisturbed weights."""
        assert self.start(self.folder / "whole").wait() == 0, self.words()
        while self.found["killed"] < kills or self.found["damaged"] < damages:
            self.found["runs"] += 1
            run = self.folder / "run"
            shutil.rmtree(run, ignore_errors=True)
            self.disturb(run, kills, damages)
            for name in WEIGHTS:
                same = (run / name).read_bytes() == (self.folder / "whole" / name).read_bytes()
                self.found["other weights"] += not same
                self.found["same weights"] += same
            for name in RECORDS:
                assert (run / name).read_bytes() == (self.folder / "whole" / name).read_bytes()

    def disturb(self, run: Path, kills: int, damages: int) -> None:
        """One run to its end."""
        while True:
            spoiled = damages * self.found["killed"] >= kills * self.found["damaged"]
            if spoiled and self.found["damaged"] < damages and self.checkpoints(run):
                self.damage(run)
                self.expect_told(run)
            # Killed until there is something to damage, too: a run that ends has nothing left.
            left = self.found["killed"] < kills or self.found["damaged"] < damages
            code = self.interrupted(run) if left else self.start(run).wait()
            if code == 0:
                return
            assert code in KILLED, (code, self.words())
            self.found["killed"] += 1

    def checkpoints(self, run: Path) -> list[Path]:
        """The newest is the last."""
        return sorted((run / "checkpoints").glob("*[0-9]"))

    def damage(self, run: Path) -> None:
        """A file of the newest checkpoint."""
        path = self.chance.choice(sorted(self.checkpoints(run)[-1].iterdir()))
        kind = self.chance.choice(DAMAGES)
        kind(path, self.chance)
        self.found["damaged"] += 1
        self.found[f"{kind.__name__}: {path.name}"] += 1

    def expect_told(self, run: Path) -> None:
        """The next start says so, and goes on from the checkpoint before, if there is one."""
        before = self.checkpoints(run)
        code, words = self.interrupted(run, kill_after=1), self.words()
        if len(before) > 1:
            assert f"goes on from step {int(before[-2].name)} instead" in words, words
            self.found["went on from the one before"] += 1
        else:
            assert code == 2, (code, words)
            assert "no other checkpoint of this run is whole" in words, words
            self.found["refused"] += 1
            shutil.rmtree(run / "checkpoints")  # the mend, as we are told

    def interrupted(self, run: Path, kill_after: int | None = None) -> int:
        """Start, and kill after some more checkpoints; the exit code."""
        process = self.start(run)
        begun = {path.name for path in self.checkpoints(run)}
        wanted = kill_after or self.chance.randint(1, STEPS // 4)
        while process.poll() is None:
            new = {path.name for path in self.checkpoints(run)} - begun
            if new and int(max(new)) >= int(max(begun, default="0")) + wanted:
                time.sleep(self.chance.random() / 20)  # anywhere in a step or a write
                process.send_signal(self.chance.choice((signal.SIGKILL, signal.SIGTERM)))
                break
            time.sleep(0.001)
        return process.wait()

    def start(self, run: Path) -> "Forked":
        """`blurbench train`, with a checkpoint after every step."""
        settings = [word for each in SET for word in ("--set", each)]
        data = ["--data", str(self.folder / "data"), "--out", str(run), "--resume"]
        words = ["train", "--model", "unet", "--preset", "tiny", "--steps", str(STEPS)]
        words += ["--device", "cpu", "--checkpoint-minutes", "0", *data, *settings]
        return Forked(words, self.folder / "words")

    def words(self) -> str:
        """What the last start said."""
        return (self.folder / "words").read_text(errors="replace")


class Forked:
    """A command line in a process that is a copy of this one."""

    def __init__(self, words: list[str], log: Path) -> None:
        """Start it."""
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(out, 2)
                code = command(words)
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        if self.code is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.code = os.waitstatus_to_exitcode(ended[1])
        return self.code

    def wait(self) -> int:
        """The exit code."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def send_signal(self, number: int) -> None:
        """To the process."""
        os.kill(self.pid, number)


def main(folder: str, kills: str, damages: str, seed: str) -> None:
    """Make a small data set and train on it."""
    from small_results import write_data_set

    write_data_set(Path(folder) / "data", 6, "train")
    trial = Trial(Path(folder), random.Random(int(seed)))
    trial.run(int(kills), int(damages))
    assert not trial.found["other weights"], trial.found
    print(json.dumps(dict(sorted(trial.found.items()))))


if __name__ == "__main__":
    # Here and not in the processes: once for all of them.

    import blurbench.training.train  # noqa: F401
    from blurbench.__main__ import run as command

    main(*sys.argv[1:])
