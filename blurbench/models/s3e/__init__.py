"""S3E-Deblur: the S3-tree, captions from it, and the generator that it is embedded in."""

from blurbench.models.s3e.captioner import ImC, VPTree
from blurbench.models.s3e.model import S3E

__all__ = ["S3E", "ImC", "VPTree"]
