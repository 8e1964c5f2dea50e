"""Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021."""

from blurbench.models.mprnet.network import FirstStage, Network
from blurbench.models.mprnet.stages import MPRNet

__all__ = ["FirstStage", "MPRNet", "Network"]
