"""Several training processes on one machine: torchrun outside, accelerate inside."""

import os
import subprocess
import sys


def launch(arguments: list[str], processes: int) -> int:
    """Run `blurbench ARGUMENTS` in `processes` processes; the exit code of the whole."""
    kept = without_option(arguments, "--processes")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "-m", "blurbench", *kept]
    # With the shared store, restarted ranks are given stale addresses and hang (torch 2.15).
    environment = os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return 0 if subprocess.run(command, env=environment, check=False).returncode == 0 else 2


def without_option(arguments: list[str], option: str) -> list[str]:
    """The arguments without `option VALUE` or `option=VALUE`."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument.startswith(option + "="):
            skip = False
        elif argument == option:
            skip = True
        else:
            kept.append(argument)
    return kept
