"""Several training processes on one machine: started by torchrun."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blurbench.errors import TOLD, FaultElsewhere, UserError
from blurbench.progress import tell
from blurbench.signals import STOPPED, Terminated, stop_signals, unhurried
from blurbench.training.data.opened import TrainingData
from blurbench.training.processes import AGAIN

RESTARTS = 3  # of all processes, from the newest checkpoint, after one of them was killed
FAULT = 70  # exit code of what nobody foresaw


def launch(processes: int, out: Path, arguments: list[str]) -> None:
    """Run `blurbench train ARGUMENTS --resume` in several processes; UserError if one fails."""
    run_all(processes, out, ["-m", "blurbench", "train", *arguments, "--resume"])


def run_all(processes: int, out: Path, program: Sequence[str]) -> None:
    """Run the program in several processes; again where one was killed, and only then.

    UserError tells, once, what one of them could not do; KeyboardInterrupt where it was stopped.
    """
    for left in reversed(range(RESTARTS + 1)):
        code, said = run_once(processes, program)
        if code == 0:
            return
        if code != AGAIN:
            raise failure(out, code, said)
        if left:
            tell(f"{out}: a training process was killed; all go on from the newest checkpoint")
    raise UserError(
        f"{out}: a training process was killed {RESTARTS + 1} times (too little memory?);"
        " --resume goes on from there"
    )


def run_once(processes: int, program: Sequence[str]) -> tuple[int, str]:
    """The exit code of agent.py, and what the first process to fail had to say."""
    with tempfile.TemporaryDirectory(prefix="blurbench-") as folder:
        said = Path(folder) / "said"
        command, environment = torchrun(processes)
        # Progress is on standard error; what each process prints at its end is said once, by us.
        # In a session of its own, so that Ctrl-C comes once, from us: at a second one it would not
        # wait for the checkpoint.
        agent = subprocess.Popen(
            [*command, *program],
            env=environment | {TOLD: str(said)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        with stop_signals() as stop, unhurried(), agent:
            while agent.poll() is None and not stop.asked:
                time.sleep(0.1)
            if stop.asked:
                # torchrun hands it on; each process stops once its step's checkpoint is there.
                agent.terminate()
            code = agent.wait()
        if code and stop.asked:
            raise stop.interruption()
        return code, said.read_text(encoding="utf-8") if said.is_file() else ""


def torchrun(processes: int) -> tuple[list[str], dict[str, str]]:
    """The command, up to the program, and the environment that start it in several processes."""
    command = [sys.executable, "-m", "blurbench.training.agent", "--standalone"]
    # It would start all again after whatever fault; `run_all` does after those that may not recur.
    command += [f"--nproc-per-node={processes}", "--max-restarts=0"]
    return command, os.environ | {
        # With the shared store, restarted ranks are given stale addresses and hang (torch 2.15).
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        # torch would start a thread a processor in each of the processes.
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
    }


def failure(out: Path, code: int, said: str) -> BaseException:
    """What to raise where the processes ended with an exit code above 0."""
    if code in STOPPED:  # by a signal to them, not to us: all have stopped at a checkpoint
        return Terminated() if code == max(STOPPED) else KeyboardInterrupt()
    kind = FaultElsewhere if code == FAULT else UserError
    return kind(said or f"{out}: a training process ended with exit code {code} (see --debug)")


def child_arguments(data: TrainingData, overrides: dict[str, Any], **options: object) -> list[str]:
    """The command line of `blurbench train` with these options; None is left out."""
    if isinstance(data, tuple):
        words = ["--recipe", data[0], "--source", data[1]]
    else:
        sets = data if isinstance(data, list) else [data]
        words = [word for each in sets for word in ("--data", str(each))]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    for key, value in overrides.items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    return words
