"""Checkpoints: everything that a run needs to go on bit for bit. No pickles."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from blurbench.errors import UserError
from blurbench.files import read_json, sync, write_json
from blurbench.models.parts.weights import load_tensors, load_weights, save_tensors
from blurbench.runs.folder import CHECKPOINTS

KEEP = 2  # the one before, too, should the newest be damaged
# The files of one, below RUN/checkpoints/STEP.
MODEL, OPTIMISERS = "model.safetensors", "optimisers.safetensors"
AVERAGED, PROGRESS = "averaged.safetensors", "progress.json"


@dataclass
class Progress:
    """Where a run stands. Random state is not in it: every draw is a function of seed and step."""

    step: int = 0
    best_step: int = 0
    best_metric: float | None = None
    blurred: float | None = None  # PSNR in dB of the validation split as it is
    looks_since: int = 0  # validations since the best
    stopped: bool = False  # ended by its patience


def optimiser_tensors(optimisers: dict[str, Optimizer]) -> dict[str, Tensor]:
    """The state of several optimisers as flat names: update/parameter index/entry."""
    return {
        f"{update}/{index}/{entry}": value
        for update, optimiser in optimisers.items()
        for index, state in optimiser.state_dict()["state"].items()
        for entry, value in state.items()
    }


def restore_optimisers(optimisers: dict[str, Optimizer], tensors: dict[str, Tensor]) -> None:
    """Undo `optimiser_tensors`; learning rates are functions of the step and need no saving."""
    states: dict[str, dict[int, dict[str, Tensor]]] = {update: {} for update in optimisers}
    for name, value in tensors.items():
        update, index, entry = name.rsplit("/", 2)
        states[update].setdefault(int(index), {})[entry] = value
    for update, optimiser in optimisers.items():
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": states[update], "param_groups": groups})


def save_checkpoint(
    run: Path,
    progress: Progress,
    model: nn.Module,
    averaged: dict[str, Tensor] | None,
    optimisers: dict[str, Optimizer],
) -> None:
    """Write RUN/checkpoints/STEP whole or not at all, and keep the newest two."""
    final = run / CHECKPOINTS / f"{progress.step:09d}"
    temporary = final.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    save_tensors(temporary / MODEL, model.state_dict())
    save_tensors(temporary / OPTIMISERS, optimiser_tensors(optimisers))
    if averaged is not None:
        save_tensors(temporary / AVERAGED, averaged)
    write_json(temporary / PROGRESS, asdict(progress))
    # In this order the newest folder named by digits is whole, whenever this is killed.
    sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(final.parent)
    for old in checkpoints(run)[:-KEEP]:
        shutil.rmtree(old)


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path for path in (run / CHECKPOINTS).glob("*") if path.name.isdigit())


def load_checkpoint(folder: Path, model: nn.Module, averaged: dict[str, Tensor] | None) -> Progress:
    """Fill the model and the averaged weights from checkpoint `folder`; gives where it stood."""
    load_weights(model, folder / MODEL)
    if averaged is not None:
        for name, value in load_tensors(folder / AVERAGED).items():
            averaged[name].copy_(value)
    return load_progress(folder)


def load_progress(folder: Path) -> Progress:
    """Where the run stood when checkpoint `folder` was written."""
    try:
        return Progress(**read_json(folder / PROGRESS))
    except TypeError:
        raise UserError(f"{folder}: written by another version of blurbench") from None


def load_newest(run: Path, model: nn.Module, averaged: dict[str, Tensor] | None) -> Progress:
    """`load_checkpoint` of the newest one; UserError tells what to do about a damaged one."""
    newest = checkpoints(run)[-1]
    try:
        return load_checkpoint(newest, model, averaged)
    except UserError as error:
        raise UserError(f"{error}; delete {newest} to go on from the one before") from None


def load_optimisers(folder: Path, optimisers: dict[str, Optimizer]) -> None:
    """Fill the optimisers of the stage that checkpoint `folder` stands in."""
    restore_optimisers(optimisers, load_tensors(folder / OPTIMISERS))
