"""Wang et al., "Take a Prior from Other Tasks for Severe Blur Removal", arXiv, 2023."""

from blurbench.models.sp.model import SemanticPrior

__all__ = ["SemanticPrior"]
