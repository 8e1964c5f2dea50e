"""UMSN: uncertainty guided multi-stream semantic networks, for faces."""

from blurbench.models.umsn.stages import UMSN

__all__ = ["UMSN"]
