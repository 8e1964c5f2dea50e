"""Training batches as a pure function of (seed, step): a resumed run needs no saved state."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset, default_collate

from blurbench.datasets.crop import crop
from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.forkserver import quiet_tracker
from blurbench.memory import in_words
from blurbench.models.base import Batch, ModelConfig, Reader, read_pictures
from blurbench.training.schedule import Bounds, Stretch, largest_crop

Drawn = tuple[int, int | None]  # position in the sequence of pairs; crop in px, none: whole
# Purposes of the random streams.
ORDER, AUGMENT, STEP, LABEL = range(4)
# What hands batches on between processes, and how torch and Python say that it is full.
SHARED = Path("/dev/shm")
SHARED_FULL = ("shared memory", "unable to write to file", "No space left on device")
MORE_SHARED = "give the container more, as by docker run --shm-size 2g or --ipc host, then --resume"
SEVERAL_SIZES = "crop_size=none: these pairs have several sizes; give a crop_size"


class TrainingPairs(Dataset[Batch]):
    """Position in the endless sequence of training pairs -> the pair, cropped and mirrored."""

    def __init__(
        self, pairs: Pairs, config: ModelConfig, seed: int, read: Reader = read_pictures
    ) -> None:
        """Shuffle each epoch of `pairs` with `seed`."""
        self.pairs, self.config, self.seed, self.read = pairs, config, seed, read
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, drawn: int | Drawn) -> Batch:
        """The pair at a position, cut to a crop; without one, to the preset's largest."""
        position, crop = (drawn, largest_crop(self.config)) if isinstance(drawn, int) else drawn
        epoch, rank = divmod(position, len(self.pairs))
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, ORDER, epoch))
            self._epoch, self._order = epoch, rng.permutation(len(self.pairs))
        sample = self.pairs.sample(int(self._order[rank]), epoch)
        rng = np.random.default_rng((self.seed, LABEL, position))
        images, labels = self.read(sample, epoch, rng)
        rng = np.random.default_rng((self.seed, AUGMENT, position))
        return augment(images, self.config, rng, crop) | labels


def augment(
    images: Batch, config: ModelConfig, rng: np.random.Generator, size: int | None
) -> Batch:
    """The same random crop, mirror and quarter turns for every picture of a pair, each (C, H, W).

    size: of the crop in px; none: whole pictures.
    """
    # All three are drawn, used or not: a setting moves no other draw.
    down, right, mirrored = rng.random(3)
    if size:
        images = {name: crop(value, size, down, right) for name, value in images.items()}
    if config.flip and mirrored < 0.5:
        images = {name: value.flip(-1) for name, value in images.items()}
    if config.turns:
        turns = int(rng.integers(4))
        images = {name: value.rot90(turns, (-2, -1)) for name, value in images.items()}
    return {name: value.contiguous() for name, value in images.items()}


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of torch's generator at one step of one process: dropout needs no saved state."""
    return int(np.random.default_rng((seed, STEP, step, process)).integers(2**62))


def draws(plan: Iterable[Stretch], steps: Bounds) -> Iterator[list[Drawn]]:
    """What the batch of each of some steps is made of: positions are the samples seen before."""
    first, last = steps
    seen = 0
    for stretch in plan:
        for step in range(max(first, stretch.first), min(last, stretch.last)):
            start = seen + (step - stretch.first) * stretch.batch
            yield [(position, stretch.crop) for position in range(start, start + stretch.batch)]
        seen += stretch.samples


def batches(
    pairs: TrainingPairs,
    plan: Iterable[Stretch],
    steps: Bounds,
    process: int,
    processes: int,
    workers: int,
) -> Iterator[Batch]:
    """The batches of the steps that fall to one of the processes."""
    # Dealt out one by one: with any number of processes a step sees the same pairs.
    drawn = (whole[process::processes] for whole in draws(plan, steps))
    # A worker that forks while OpenCV's threads run can hang; a spawned one starts clean.
    context = "spawn" if workers else None
    if workers:
        quiet_tracker()
    loader = DataLoader(
        pairs,
        batch_sampler=drawn,
        num_workers=workers,
        multiprocessing_context=context,
        collate_fn=stacked,
        worker_init_fn=stand_apart,
    )
    try:
        yield from loader
    except UserError as error:
        # A worker's comes with the worker's traceback as its text; the line itself is the last.
        told = str(error).rpartition(f"{UserError.__module__}.UserError: ")[2]
        raise UserError(told.strip()) from None
    except (RuntimeError, OSError) as error:
        told = str(error)
        if any(words in told for words in SHARED_FULL):
            raise UserError(f"{SHARED} is full ({_size(SHARED)}); {MORE_SHARED}") from None
        if "DataLoader worker" not in told or isinstance(error, OSError):
            raise
        killed = "a process that reads pictures was killed, as where memory is full"
        raise UserError(f"{killed}; run the same command again with --resume") from None


def _size(folder: Path) -> str:
    try:
        return in_words(shutil.disk_usage(folder).total)
    except OSError:
        return "not there"


def stand_apart(_worker: int) -> None:
    """Take a worker out of the reach of Ctrl-C and of torchrun's SIGTERM.

    Both go to all of a process group: the trainer would lose its batches, and with them the step
    and the checkpoint that it ends with. Workers end with the trainer, however that ends.
    """
    os.setpgrp()


def stacked(items: list[Batch]) -> Batch:
    """Pairs as one batch; UserError where they differ in size, which blurring on the fly shows."""
    if len({item["blur"].shape for item in items if "blur" in item}) > 1:
        raise UserError(SEVERAL_SIZES)
    batch: Batch = default_collate(items)
    return batch


def cut(batch: Batch, whole: int, count: int) -> list[tuple[float, Batch]]:
    """What one process holds of a batch, in parts, each with its share of the `whole` batch.

    Losses are means over pictures, so their sum weighted with the shares is that of the batch.
    """
    pieces = zip(*(value.chunk(count) for value in batch.values()), strict=True)
    parts = [dict(zip(batch, piece, strict=True)) for piece in pieces]
    return [(len(next(iter(part.values()))) / whole, part) for part in parts]
