"""blurbench: severe-blur data sets, semantic deblurring models, and leaderboards."""

__version__ = "0.1.0"
