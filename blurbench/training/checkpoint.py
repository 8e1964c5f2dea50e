"""Checkpoints: everything that a run needs to go on bit for bit. No pickles."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from threading import Lock
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from blurbench.errors import UserError, one_line
from blurbench.files import parse_json, read_regular, sha256, sync, write_json, writing
from blurbench.models.base import Stage, Update
from blurbench.models.parts.weights import differences, load_tensors, not_finite, save_tensors
from blurbench.progress import tell
from blurbench.runs.folder import CHECKPOINTS
from blurbench.schemas import parse_as
from blurbench.schemas.seals import refuse_broken, sealed
from blurbench.training.processes import Deserted

KEEP = 2  # the one before, too, should the newest be damaged
# The files of one, below RUN/checkpoints/STEP.
MODEL, OPTIMISERS = "model.safetensors", "optimisers.safetensors"
AVERAGED, PROGRESS = "averaged.safetensors", "progress.json"
TENSORS = (MODEL, OPTIMISERS, AVERAGED)
WRITING = Lock()  # between the loop and a rescue


@dataclass
class Progress:
    """Where a run stands. Random state is not in it: every draw is a function of seed and step."""

    step: Annotated[int, Field(ge=0)] = 0
    best_step: Annotated[int, Field(ge=0)] = 0
    best_metric: float | None = None
    blurred: float | None = None  # PSNR in dB of the validation split as it is
    looks_since: Annotated[int, Field(ge=0)] = 0  # validations since the best
    stopped: bool = False  # ended by its patience
    run: str | None = None  # id in its config.json


@dataclass
class Stated(Progress):
    """What progress.json holds; 0.1.0 stated no files, and had no seal."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    files: dict[str, str] = field(default_factory=dict)  # SHA-256 of each of the others
    check: str | None = None  # its seal

    def progress(self) -> Progress:
        """Without the checksums."""
        return Progress(**{each.name: getattr(self, each.name) for each in fields(Progress)})


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, and is whole; or is to be written into a run."""

    folder: Path  # its own; where it is to be written, the run's
    progress: Progress
    model: dict[str, Tensor]
    averaged: dict[str, Tensor] | None
    optimisers: dict[str, Tensor]


def make_optimisers(stage: Stage) -> dict[str, Optimizer]:
    """Those of a stage, which know nothing yet."""
    return {update.name: make_optimiser(update) for update in stage.updates}


def make_optimiser(update: Update) -> Optimizer:
    """Adam or AdamW over the parameters of one update, each once."""
    parameters = {id(p): p for module in update.modules for p in module.parameters()}
    kind = AdamW if update.decoupled else Adam
    return kind(
        list(parameters.values()),
        lr=update.lr,
        betas=update.betas,
        weight_decay=update.weight_decay,
    )


def optimiser_tensors(optimisers: dict[str, Optimizer]) -> dict[str, Tensor]:
    """The state of several optimisers as flat names: update/parameter index/entry."""
    return {
        f"{update}/{index}/{entry}": value
        for update, optimiser in optimisers.items()
        for index, state in optimiser.state_dict()["state"].items()
        for entry, value in state.items()
    }


def check_optimisers(optimisers: dict[str, Optimizer], tensors: dict[str, Tensor]) -> None:
    """UserError unless `restore_optimisers` may follow."""
    held = {name.rpartition("/")[0] for name in tensors}
    wanted: dict[str, Tensor] = {}
    for update, optimiser in optimisers.items():
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for place, parameter in enumerate(parameters):
            # What no loss reached has no state.
            if (name := f"{update}/{place}") in held:
                wanted |= {f"{name}/exp_avg": parameter, f"{name}/exp_avg_sq": parameter}
                wanted[f"{name}/step"] = torch.zeros(())
    if told := differences(wanted, tensors):
        raise UserError(f"{OPTIMISERS} is of another model or stage: {told}")


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
    state = standing(run, progress, model, averaged, optimisers)
    with WRITING:
        _save(state)


def standing(
    run: Path,
    progress: Progress,
    model: nn.Module,
    averaged: dict[str, Tensor] | None,
    optimisers: dict[str, Optimizer],
) -> Checkpoint:
    """All that a run holds now; the tensors are its own, and no copies."""
    return Checkpoint(run, progress, model.state_dict(), averaged, optimiser_tensors(optimisers))


def _save(held: Checkpoint) -> None:
    run = held.folder
    final = run / CHECKPOINTS / f"{held.progress.step:09d}"
    if final.is_dir():
        return  # of the same run at the same step: there is nothing that it could lack
    temporary = final.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with writing(final, temporary):
            _write(temporary, held)
            # In this order the newest folder named by digits is whole, whenever this is killed.
            sync(temporary)
            temporary.rename(final)
            sync(final.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # its room is wanted
        raise
    for old in checkpoints(run)[:-KEEP]:
        shutil.rmtree(old)


def _write(folder: Path, held: Checkpoint) -> None:
    save_tensors(folder / MODEL, held.model)
    save_tensors(folder / OPTIMISERS, held.optimisers)
    if held.averaged is not None:
        save_tensors(folder / AVERAGED, held.averaged)
    files = {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir())}
    write_json(folder / PROGRESS, sealed({**asdict(held.progress), "files": files}))


class Rescue:
    """Where a run stood, for a stop that does not wait for the end of a step."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.held: Checkpoint | None = None
        self.resting: Callable[[], Checkpoint] | None = None

    def rest(self, state: Callable[[], Checkpoint]) -> None:
        """Until `wake`, nothing is changed: `state` may be kept as it is, without a copy."""
        self.resting = state

    def wake(self) -> None:
        """A step begins, once nobody writes what it changes."""
        with WRITING:
            self.resting = None

    def hold(self, now: Checkpoint) -> None:
        """Copy all that the step will change."""
        average = None if now.averaged is None else _copied(now.averaged)
        tensors = _copied(now.model), average, _copied(now.optimisers)
        self.held = Checkpoint(now.folder, replace(now.progress), *tensors)

    @contextmanager
    def unless_deserted(self) -> Iterator[None]:
        """Keep it, too, where another process is gone in the middle of a step."""
        try:
            yield
        except Deserted:
            self.keep()
            raise

    def keep(self) -> None:
        """Write it, unless what was written is newer; waits for what is being written.

        Nothing is written where a number is NaN or infinite, which the loop looks for less often.
        """
        with WRITING:
            if held := self.resting() if self.resting else self.held:
                newest = max([int(each.name) for each in checkpoints(held.folder)], default=0)
                tensors = (held.model, held.averaged or {}, held.optimisers)
                if held.progress.step > newest and not any(map(not_finite, tensors)):
                    _save(held)


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in (run / CHECKPOINTS).glob("*") if path.name.isdecimal())


def load_progress(folder: Path) -> Progress:
    """Where the run stood when checkpoint `folder` was written; UserError where that is unclear."""
    return _stated(folder).progress()


def read_checkpoint(folder: Path) -> Checkpoint:
    """Checkpoint `folder`; UserError where any of its files is damaged, missing, or another's."""
    stated = _stated(folder)
    for name, wanted in stated.files.items():
        path = folder / name
        if name not in TENSORS or not path.is_file() or sha256(read_regular(path)) != wanted:
            raise UserError(f"{path}: damaged, or of another checkpoint")
    has_average = (folder / AVERAGED).exists() or AVERAGED in stated.files
    return Checkpoint(
        folder,
        stated.progress(),
        load_tensors(folder / MODEL),
        load_tensors(folder / AVERAGED) if has_average else None,
        load_tensors(folder / OPTIMISERS),
    )


def _stated(folder: Path) -> Stated:
    path = folder / PROGRESS
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    data = read_regular(path)
    stated = parse_as(Stated, data, str(path))
    refuse_broken(parse_json(data, str(path)), str(path), "take another copy of it")
    if stated.check and not {MODEL, OPTIMISERS} <= stated.files.keys():
        raise UserError(f"{path}: states no checksums of the files beside it")
    if not stated.best_step <= stated.step == int(folder.name):
        raise UserError(f"{path}: is of step {stated.step}, not of step {int(folder.name)}")
    return stated


def newest_whole(run: Path, check: Callable[[Checkpoint], None], first: bool) -> Checkpoint:
    """The newest checkpoint of a run that is whole, and that `check` lets pass.

    first: tell which ones are damaged, and set them aside. UserError where none is whole.
    """
    damaged: dict[Path, str] = {}
    for folder in reversed(checkpoints(run)):
        try:
            found = read_checkpoint(folder)
            check(found)
        except (UserError, OSError) as error:
            # A disk that cannot be read is damage, and so is what another process of this training
            # has just set aside; a folder of somebody else's is none.
            if isinstance(error, OSError) and error.errno not in (errno.EIO, errno.ENOENT):
                raise
            damaged[folder] = one_line(error, str(folder))
            continue
        if first:
            for path, told in damaged.items():
                _set_aside(path, told, found.progress.step)
        return found
    raise UserError(
        f"{next(iter(damaged.values()))}; no other checkpoint of this run is whole: put one back"
        f" from a copy, or delete {run / CHECKPOINTS} to train from the start"
    )


def _set_aside(path: Path, told: str, step: int) -> None:
    """Move a damaged checkpoint out of the way of the one that will take its place."""
    aside = path.with_suffix(".damaged")
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)
    tell(f"{told}; goes on from step {step} instead ({aside.name} is what was damaged)")
