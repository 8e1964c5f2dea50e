"""Refusals before the first step: what does not fit the model, the data or the machine."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.files import CannotWrite
from blurbench.memory import budget, in_words
from blurbench.models.base import Model
from blurbench.runs.memory import out_of_memory
from blurbench.training.batches import SEVERAL_SIZES
from blurbench.training.data.several import SeveralSets
from blurbench.training.length import Length
from blurbench.training.schedule import largest_crop

PAIR = 2 * 3 * 4  # bytes of a pixel, blurred and sharp


def check_model(name: str, model: Model, pairs: Pairs, processes: int) -> None:
    """Refuse what the model cannot learn from, or not with these settings, or not here."""
    check_labels(name, model, pairs)
    check_crop(name, model, pairs)
    check_parts(model, processes)
    check_blocks(name, model)
    check_compiler(model)


def check_overrides(name: str, model: Model, overrides: Mapping[str, Any]) -> None:
    """Refuse a crop or batch size that would count for nothing beside those of the preset."""
    for field, ruling in (("crop_size", "crops"), ("batch_size", "batches")):
        rules = getattr(model.config, ruling)
        if field in overrides and rules and ruling not in overrides:
            raise UserError(
                f"{field}={overrides[field]}: this preset of {name} has {ruling}="
                f"{','.join(map(str, rules))} in its place; set these, or crops=none batches=none"
            )


def untrained(model: Model) -> list[str]:
    """Parts that restore although no stage trains them: without first weights, as they were drawn.

    Not those that are frozen for good, which have weights of their own.
    """
    updates = [update for stage in model.stages() for update in stage.updates]
    trained = {id(p) for each in updates for module in each.modules for p in module.parameters()}
    restoring = {id(p) for module in model.inference_modules() for p in module.parameters()}
    idle = [
        name
        for name, p in model.named_parameters()
        if id(p) in restoring - trained and p.requires_grad
    ]
    return list(dict.fromkeys(name.partition(".")[0] for name in idle))


def check_looks(model: Model, judged: Pairs | None, length: Length) -> None:
    """Refuse a patience that has nothing to look at, and samples of steps that will not be."""
    c = model.config
    if c.patience is not None and judged is None:
        raise UserError(
            f"patience={c.patience}: there is no val split to judge by; give --hold-out 0.05, or"
            " leave patience out"
        )
    if late := [step for step in c.sample_at if not 0 < step <= length.steps]:
        raise UserError(f"sample_at={late[0]}: this run has steps 1 to {length.steps}")


def check_blocks(name: str, model: Model) -> None:
    """Refuse gradient checkpointing of a model without blocks."""
    if model.config.checkpointing and not model.blocks():
        raise UserError(
            f"checkpointing=true: {name} has no list of blocks to compute again; accumulate=2 saves"
            " memory, too"
        )


def check_crop(name: str, model: Model, pairs: Pairs) -> None:
    """Refuse a crop that the network cannot halve, and pairs of several sizes without a crop."""
    if not model.RESTORES:
        return
    c = model.config
    for field, crop in (("crop_size", c.crop_size), *(("crops", each) for each in c.crops)):
        if crop and crop % model.multiple:
            raise UserError(f"{field}={crop}: {name} needs a multiple of {model.multiple}")
    if largest_crop(c) is None and c.batch_size > 1 and len(pairs.sizes() or ()) > 1:
        raise UserError(SEVERAL_SIZES)


def check_parts(model: Model, processes: int) -> None:
    """Refuse to cut a batch into more parts than it has pictures."""
    c = model.config
    field, least = ("batches", min(c.batches)) if c.batches else ("batch_size", c.batch_size)
    if processes * c.accumulate > least:
        raise UserError(
            f"{field}={least}: too small for {processes} processes and"
            f" accumulate={c.accumulate}; each part of a batch needs a picture"
        )


def check_memory(model: Model, target: torch.device) -> None:
    """Refuse, on a CPU, batches whose pictures alone memory cannot hold, before one is read."""
    crop = largest_crop(model.config)
    if target.type != "cpu" or crop is None:
        return
    batch, free = max(model.config.batches or (model.config.batch_size,)), budget()
    if (needed := batch * crop**2 * PAIR) > free:
        raise UserError(
            f"batch_size={batch}: {batch} crops of {crop} px take at least {in_words(needed)} of"
            f" memory, and {in_words(free)} are free; give fewer, or smaller ones"
        )


def check_devices(target: torch.device, processes: int) -> None:
    """Refuse more processes on this machine than GPUs, and one GPU for several of them."""
    if target.type == "cpu" or processes == 1:
        return
    count = torch.cuda.device_count()
    if target.index is not None or processes > count:
        raise UserError(
            f"--processes {processes}: each takes a GPU of its own, and here are {count};"
            " give fewer, or --device cpu, but no --device cuda:N"
        )


@contextmanager
def told_what_fits(out: Path) -> Iterator[None]:
    """Turn an error of memory, of a disk, or of too small a crop into one line with the mend."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 "):  # of PyTorch's norms
            raise
        raise UserError(
            f"{out}: a crop leaves one value to a norm of this network; train into another --out"
            " with a larger crop_size or batch_size"
        ) from error
    except CannotWrite as error:
        raise UserError(
            f"{error.filename}: cannot write ({error.strerror}); mend that and run the same command"
            " again with --resume; the last checkpoint is kept"
        ) from error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"{out}: a training step takes more memory than there is; train into another --out"
            " with --set accumulate=2 or more, a smaller crop_size, or --set precision=bf16"
        ) from error


def check_compiler(model: Model) -> None:
    """Refuse to compile where torch.compile would find no C++ compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if model.config.compile and not shutil.which(compiler):
        raise UserError(f"compile=true: no {compiler} here; install it, or name one in CXX")


def check_labels(name: str, model: Model, pairs: Pairs) -> None:
    """Refuse a data set without the labels that the model learns from."""
    sets = [each.pairs for each in pairs.sets] if isinstance(pairs, SeveralSets) else [pairs]
    for label in dict.fromkeys((*model.NEEDS, *model.restore_labels)):
        for each in sets:
            if not each.has(label):
                raise UserError(
                    f"{name} needs the {label} of every pair, and this data set (of recipe "
                    f"{each.recipe_name}) was made without {label}"
                )
