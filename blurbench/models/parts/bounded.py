"""How large a network is, reckoned while it is built and before memory is taken for it."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from blurbench.errors import UserError
from blurbench.memory import budget, in_words
from blurbench.models.parts.dispatch import Watching

T = TypeVar("T")
MOST_TENSORS = 10_000  # MAXIM, which has the most, makes 2,754


def within_memory(make: Callable[[], T], told: str) -> T:
    """What `make` builds; UserError, which begins with `told`, once memory would not hold it."""
    with _Reckoned(budget(), told):
        return make()


class _Reckoned(Watching):
    """Refuses a tensor that would not fit beside those that were made inside it."""

    def __init__(self, free: int, told: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.told, self.free = told, free
        self.bytes, self.tensors = 0, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count what an operation is to make, if it says how large, and then run it."""
        kwargs = kwargs or {}
        names = [argument.name for argument in func._schema.arguments]
        if "size" in names and "device" in names:  # it makes a tensor of nothing
            given = dict(zip(names, args, strict=False)) | kwargs
            device = torch.device(given.get("device") or "cpu")
            kind = given.get("dtype") or torch.get_default_dtype()
            self._count(math.prod(given["size"]) * kind.itemsize if device.type != "meta" else 0)
        return func(*args, **kwargs)

    def _count(self, size: int) -> None:
        self.bytes, self.tensors = self.bytes + size, self.tensors + 1
        if self.bytes > self.free:
            raise UserError(
                f"{self.told}: a network of over {in_words(self.bytes)}, and {in_words(self.free)}"
                " of memory are free; give smaller numbers"
            )
        if self.tensors > MOST_TENSORS:
            raise UserError(
                f"{self.told}: a network of over {MOST_TENSORS:,} tensors; give smaller numbers"
            )
