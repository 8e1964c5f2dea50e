"""MAXIM: gated MLPs over blocks and over a grid of the whole picture, in three stages."""

from blurbench.models.maxim.model import MAXIM
from blurbench.models.maxim.network import Network

__all__ = ["MAXIM", "Network"]
