"""Inference: restored pictures from a finished run."""
