"""Make a data set while everything that can be killed is killed, and count what that cost.

    python tests/faults/chaos.py --faults 200 --out counts.json

A set is made undisturbed first. Then the same one again, by LocalCluster workers and by a
scheduler and workers started by hand, in turn, on a file system of its own, under faults at random
from a seed; `synthesize` is run again until it is whole. Exit code 1 where the digest is another,
a pair is lost, over 5 % were made twice, or there were fewer faults.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "helpers", HERE.parents[1] / "kernels", HERE.parents[1]):
    sys.path.insert(0, str(folder))

import damage  # noqa: E402
import processes  # noqa: E402
import tiny_data  # noqa: E402
from installed import write_package  # noqa: E402
from reader_examples import toml  # noqa: E402

REPLICAS = 25
MOST_TWICE = 5.0  # per cent
WORKERS = 3
OK, SOME_FAILED, BAD, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
# What a library says of a death, where one line of ours would do.
NOISE = ("Traceback", "resource_tracker", "Warning", "Exception ignored")
LAST_WORDS = 4000  # characters of what a command said last


class Chaos:
    """One run, its folders and its counts."""

    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        """Folders, pictures and the plug-in; nothing is started."""
        self.root, self.options = root, options
        self.chance = random.Random(options.seed)
        self.disk, self.hazard, self.log = root / "disk", root / "hazard", root / "log.txt"
        self.out = self.disk / "set"
        for place in (self.disk, self.hazard / "poison", root / "packages"):
            place.mkdir(parents=True)
        self.photos = tiny_data.write_photos(root / "photos", options.pairs // REPLICAS)
        code = (HERE / "hazard.py").read_text(encoding="utf-8")
        entry = ("blurbench.kernels", "hazard = hazard:Hazard", code)
        self.packages = write_package(root / "packages", "hazard", *entry)
        (root / "hazard.toml").write_bytes(toml(recipe()))
        self.faults: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.strange: list[str] = []  # what should not have been said or done
        self.plan = [each for each in options.plan.split(",") if each]
        self.damaged = 0  # pairs whose picture or record was damaged: rightly made again
        self.cluster = processes.Cluster(WORKERS, self.env(), root / "cluster.txt")

    def env(self, pause: float = 0.0) -> dict[str, str]:
        """What the command and its workers need to know."""
        paths = (self.packages, HERE.parents[1], HERE.parents[1] / "kernels")
        return {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "HAZARD": str(self.hazard),
            "HAZARD_MS": str(pause or self.options.ms),
            "OMP_NUM_THREADS": "1",
        }

    def blurbench(self, *words: str, pause: float = 0.0) -> subprocess.Popen[bytes]:
        """A command of the command line."""
        self.log.unlink(missing_ok=True)
        line = (sys.executable, "-m", "blurbench", *words)
        return processes.command(*line, env=self.env(pause), log=self.log)

    def synthesize(self, out: Path, *spread: str, pause: float = 0.0) -> subprocess.Popen[bytes]:
        """The command that is under attack."""
        words = (str(self.root / "hazard.toml"), "--source", str(self.photos), "--out", str(out))
        return self.blurbench("synthesize", *words, *spread, pause=pause)

    def made(self) -> int:
        """Pairs that were blurred, however often."""
        path = self.hazard / "made"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def undisturbed(self) -> str:
        """The digest that has to come out; its speed is not looked at."""
        whole = self.root / "whole"
        run = self.synthesize(whole, "--workers", "2", pause=1e-3)
        assert run.wait() == OK, self.log.read_text()
        digest = json.loads((whole / "dataset.json").read_bytes())["digest"]
        shutil.rmtree(whole)
        (self.hazard / "made").unlink()
        return str(digest)

    def disturbed(self) -> None:
        """Run the command, hit it, run it again, until it is whole and the faults are spent."""
        turn = 0
        while not (self.out / "dataset.json").exists():
            by_hand = turn % 2 == 1
            spread = ("--workers", str(WORKERS))
            if by_hand:
                self.cluster.heal()
                spread = ("--scheduler", self.cluster.address)
            run = self.synthesize(self.out, *spread)
            self.attack(run, by_hand)
            self.codes[run.wait()] += 1
            self.expect(run.returncode)
            self.clear()
            if not (self.out / "dataset.json").exists():
                damage.while_stopped(self)
            turn += 1
        self.cluster.end()

    def attack(self, run: subprocess.Popen[bytes], by_hand: bool) -> None:
        """Faults at random until the command has ended."""
        kinds = {**ANY, **(BY_HAND if by_hand else LOCAL)}
        before = self.made()
        while run.poll() is None:
            # Not before it works: a command killed while it starts is a smaller thing.
            for _ in processes.until(self.chance.expovariate(1 / self.options.pause)):
                if run.poll() is not None:
                    return
            if self.made() == before or self.spent():
                continue
            kind = self.planned(kinds) or self.chance.choices([*kinds], [*kinds.values()])[0]
            if FAULTS[kind](self, run):
                self.faults[kind] += 1
                self.plan = [each for each in self.plan if each != kind]

    def spent(self) -> bool:
        """Whether there were faults enough."""
        return sum(self.faults.values()) >= self.options.faults

    def planned(self, kinds: Mapping[str, int]) -> str:
        """The next of the kinds that have to come, if it can come now."""
        return next((each for each in self.plan if each in kinds), "")

    def expect(self, code: int) -> None:
        """Note an exit code that no fault explains, and a traceback."""
        words = self.log.read_text(errors="replace")
        known = (OK, SOME_FAILED, BAD, INTERRUPTED, TERMINATED)
        # Killed; or asked to end while it was ending, and had said all it had to say.
        known += (-signal.SIGKILL, -signal.SIGINT, -signal.SIGTERM)
        if code not in known or any(noise in words for noise in NOISE):
            self.strange.append(f"exit {code}: {words[-LAST_WORDS:]}")

    def clear(self) -> None:
        """Room on the disk, no poison."""
        (self.disk / "filler").unlink(missing_ok=True)
        for path in (self.hazard / "poison").iterdir():
            path.unlink()


def recipe() -> dict:
    """Photographs by the hazardous family, each many times."""
    head = {key: value for key, value in tiny_data.FLOW.items() if key != "crop"}
    splits = {"train": 0.9, "val": 0.05, "test": 0.05}
    replicas = dict.fromkeys(splits, REPLICAS)
    blur = {"family": "hazard"}
    return {**head, "name": "chaos", "splits": splits, "replicas": replicas, "blur": blur}


# Faults: each gives back whether there was anything to hit.


def kill(_: Chaos, run: subprocess.Popen[bytes]) -> bool:
    return processes.hit(run.pid, signal.SIGKILL)


def terminate(_: Chaos, run: subprocess.Popen[bytes]) -> bool:
    return processes.hit(run.pid, signal.SIGTERM)


def interrupt(_: Chaos, run: subprocess.Popen[bytes]) -> bool:
    return processes.hit(run.pid, signal.SIGINT)


def a_worker(chaos: Chaos, run: subprocess.Popen[bytes]) -> int:
    """One of the workers that is at work; 0 for none."""
    found = processes.workers_of(run.pid) or chaos.cluster.workers()
    return chaos.chance.choice(found) if found else 0


def hit_worker(number: signal.Signals):
    def strike(chaos: Chaos, run: subprocess.Popen[bytes]) -> bool:
        pid = a_worker(chaos, run)
        return bool(pid) and processes.hit(pid, number)

    return strike


def stop_worker(chaos: Chaos, run: subprocess.Popen[bytes]) -> bool:
    return stop(chaos, a_worker(chaos, run))


def stop_command(chaos: Chaos, run: subprocess.Popen[bytes]) -> bool:
    return stop(chaos, run.pid)


def stop(chaos: Chaos, pid: int) -> bool:
    """Asleep for up to three seconds."""
    if not pid or not processes.hit(pid, signal.SIGSTOP):
        return False
    time.sleep(3 * chaos.chance.random())
    return processes.hit(pid, signal.SIGCONT)


def kill_scheduler(chaos: Chaos, _: subprocess.Popen[bytes]) -> bool:
    assert chaos.cluster.scheduler is not None
    return processes.hit(chaos.cluster.scheduler.pid, signal.SIGKILL)


def stop_scheduler(chaos: Chaos, _: subprocess.Popen[bytes]) -> bool:
    assert chaos.cluster.scheduler is not None
    return stop(chaos, chaos.cluster.scheduler.pid)


def lose_node(number: signal.Signals):
    def strike(chaos: Chaos, _: subprocess.Popen[bytes]) -> bool:
        """A nanny and what it watches; another comes."""
        if not chaos.cluster.nannies:
            return False
        nanny = chaos.chance.choice(chaos.cluster.nannies)
        hit = processes.hit(nanny.pid, number)
        nanny.wait()
        chaos.cluster.heal()
        return hit

    return strike


def fill_disk(chaos: Chaos, _: subprocess.Popen[bytes]) -> bool:
    """No byte left, until the command gives up."""
    with (chaos.disk / "filler").open("wb") as file:
        try:
            while True:
                file.write(bytes(2**20))
                file.flush()
        except OSError:
            pass
    return True


def poison(chaos: Chaos, _: subprocess.Popen[bytes]) -> bool:
    """A picture whose turn comes soon kills whoever blurs it, until the command has ended."""
    begun = {line.split()[0] for line in (chaos.hazard / "made").read_text().splitlines()}
    waiting = [path.name for path in sorted(chaos.photos.iterdir()) if path.name not in begun]
    if not waiting:
        return False
    (chaos.hazard / "poison" / chaos.chance.choice(waiting[:4])).touch()
    return True


FAULTS = {
    "worker SIGKILL": hit_worker(signal.SIGKILL),
    "worker SIGTERM": hit_worker(signal.SIGTERM),
    "worker SIGSEGV": hit_worker(signal.SIGSEGV),
    "worker stopped": stop_worker,
    "command SIGKILL": kill,
    "command SIGTERM": terminate,
    "command SIGINT": interrupt,
    "command stopped": stop_command,
    "disk full": fill_disk,
    "poison picture": poison,
    "scheduler SIGKILL": kill_scheduler,
    "scheduler stopped": stop_scheduler,
    "node SIGKILL": lose_node(signal.SIGKILL),
    "node SIGTERM": lose_node(signal.SIGTERM),
}
# How often each is chosen.
ANY = {
    "worker SIGKILL": 5,
    "worker SIGTERM": 2,
    "worker SIGSEGV": 2,
    "worker stopped": 4,
    "command SIGKILL": 2,
    "command SIGTERM": 2,
    "command SIGINT": 1,
    "command stopped": 1,
    "disk full": 1,
    "poison picture": 1,
}
LOCAL: dict[str, int] = {}
BY_HAND = {"scheduler SIGKILL": 1, "scheduler stopped": 1, "node SIGKILL": 3, "node SIGTERM": 2}


@contextmanager
def own_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own size, in memory; needs the right to mount."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(folder)], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def with_rights() -> None:
    """Start again in a name space where this user may mount, unless that is so already."""
    if os.geteuid() != 0 and "CHAOS" not in os.environ:
        os.environ["CHAOS"] = "1"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])


def report(chaos: Chaos, wanted: str, found: str, seconds: float) -> dict:
    """Everything that was counted."""
    pairs = chaos.options.pairs // REPLICAS * REPLICAS
    rows = sum(1 for path in chaos.out.glob("*/metadata.jsonl") for _ in path.open())
    twice = chaos.made() - pairs - chaos.damaged
    return {
        "faults": dict(sorted(chaos.faults.items())),
        "injected": sum(chaos.faults.values()),
        "exit codes": {str(code): count for code, count in sorted(chaos.codes.items())},
        "pairs": pairs,
        "lost": pairs - rows,
        "made again for their files were damaged": chaos.damaged,
        "made twice": twice,
        "made twice, per cent": round(100 * twice / pairs, 2),
        "digest equal": wanted == found,
        "strange": chaos.strange,
        "seconds": round(seconds),
    }


def main() -> int:
    """See the top of the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--faults", type=int, default=200)
    options.add_argument("--pairs", type=int, default=16_000)
    options.add_argument("--ms", type=float, default=100, help="that a pair takes, asleep")
    options.add_argument("--pause", type=float, default=1.5, help="s between faults, on average")
    options.add_argument("--rounds", type=int, default=4, help="of damage to the finished set")
    options.add_argument("--plan", default="", help="kinds that come first, with commas between")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="counts as JSON")
    asked = options.parse_args()
    with_rights()
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), asked)
        with own_disk(chaos.disk, 100 + asked.pairs // 20):
            wanted, began = chaos.undisturbed(), time.monotonic()
            try:
                chaos.disturbed()
                found = damage.when_finished(chaos)
            finally:
                chaos.cluster.end()
            told = report(chaos, wanted, found, time.monotonic() - began)
    print(json.dumps(told, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(told, indent=1))
    good = told["digest equal"] and not told["lost"] and not told["strange"]
    enough = told["injected"] >= asked.faults
    return 0 if good and enough and told["made twice, per cent"] < MOST_TWICE else 1


if __name__ == "__main__":
    sys.exit(main())
