"""How much memory a restoration takes, how much it may take, and whether it ran out."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from blurbench.engine import sharers
from blurbench.memory import budget
from blurbench.models.base import Model
from blurbench.models.parts.dispatch import Watching

# What a picture may take, whatever there is: 12 megapixels then go through any model within 6 GB,
# and 1280x720 px through most of them whole.
MOST = 4 * 2**30
# Of tensors, the resident memory is 1.2 to 1.7 times: workspaces of convolutions, malloc's slack.
SLACK = 1.7
# px; what a model takes for each pixel is measured on such a square. Of half the side the copies of
# 6 million weights in bfloat16 were a fifth of it, and they do not grow with the picture.
PROBE = 256
# How RuntimeErrors say it: PyTorch; cuBLAS; cuDNN, which finds no algorithm for the memory left;
# and GPU kernels that count elements in 32 bits.
TOO_MUCH = (
    "out of memory",
    "allocate",
    "alloc_failed",
    "find an engine",
    "32-bit index",
    "32bitindex",
    "int_max",
)


def allowance() -> int:
    """Bytes that one restoration on the CPU may take: 4 GiB, or half of what is free at most.

    Of several workers on this machine each takes its share of that half.
    """
    return min(MOST, budget() // (2 * sharers()))


def bytes_per_pixel(model: Model, device: torch.device) -> float:
    """What `deblur` of a model takes, measured on a small picture."""
    side = -(-PROBE // model.multiple) * model.multiple
    peak = PeakBytes()
    with peak:
        # Grey: only sizes count, not what is seen.
        model.deblur(torch.full((1, 3, side, side), 0.5, device=device))
    return peak.most * SLACK / side**2


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that a picture was too much; on the CPU it is a plain RuntimeError."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in told for words in TOO_MUCH)


class PeakBytes(Watching):
    """Counts the bytes of the tensors that are made inside it, and keeps the most at a time.

    MemoryError where they become more than `limit`.
    """

    def __init__(self, limit: int | None = None) -> None:
        """Nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit = limit
        self.now: int = 0
        self.most: int = 0
        self.alive: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and count what is new of its results."""
        results = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return results

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()  # views share it
        if key not in self.alive:
            self.alive.add(key)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._free, key, size)
            if self.limit is not None and self.now > self.limit:
                raise MemoryError(f"more than {self.limit:,} bytes of tensors")

    def _free(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size
