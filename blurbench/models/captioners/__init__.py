"""Captioners: NIC, Toronto (Show, Attend and Tell) and TopDown, and what all captioners share."""

from blurbench.models.captioners.models import NICCaptioner, TopDownCaptioner, TorontoCaptioner

__all__ = ["NICCaptioner", "TopDownCaptioner", "TorontoCaptioner"]
