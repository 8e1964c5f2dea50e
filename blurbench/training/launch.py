"""Several training processes on one machine: started by torchrun."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.signals import stop_signals
from blurbench.stores.open import Place

RESTARTS = 3  # of all processes, from the newest checkpoint, after one of them died


def torchrun(processes: int) -> tuple[list[str], dict[str, str]]:
    """The command, up to the program, and the environment that start it in several processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", f"--max-restarts={RESTARTS}"]
    return command, os.environ | {
        # With the shared store, restarted ranks are given stale addresses and hang (torch 2.15).
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        # torch would start a thread a processor in each of the processes.
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
    }


def launch(processes: int, out: Path, arguments: list[str]) -> None:
    """Run `blurbench train ARGUMENTS --resume` in several processes; UserError if one fails."""
    command, environment = torchrun(processes)
    command += ["-m", "blurbench", "train", *arguments, "--resume"]
    # Progress is on standard error; what each process prints at its end is said once, by us.
    silent = subprocess.DEVNULL
    # In a session of its own, so that Ctrl-C comes once, from us: at a second one it would not wait
    # for the checkpoint.
    agent = subprocess.Popen(command, env=environment, stdout=silent, start_new_session=True)
    with stop_signals() as stop, agent:
        while agent.poll() is None and not stop.asked:
            time.sleep(0.1)
        if stop.asked:
            # torchrun hands it on; each process stops once its step's checkpoint is there.
            agent.terminate()
        failed = agent.wait()
    if failed and stop.asked:
        raise stop.interruption()
    if failed:
        raise UserError(f"{out}: a training process failed, see above; --resume goes on from there")


def child_arguments(
    data: Place | tuple[str, str], overrides: dict[str, Any], **options: object
) -> list[str]:
    """The command line of `blurbench train` with these options; None is left out."""
    if not isinstance(data, tuple):
        words = ["--data", str(data)]
    else:
        words = ["--recipe", data[0], "--source", data[1]]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    for key, value in overrides.items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    return words
