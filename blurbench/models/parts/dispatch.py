"""What sees each operation of PyTorch that is run inside it."""

from torch.utils._python_dispatch import TorchDispatchMode


class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch types it nowhere
    """A `TorchDispatchMode` that is never compiled."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Without this PyTorch imports its compiler, 1.7 s of each start, to keep it away."""
        return False
