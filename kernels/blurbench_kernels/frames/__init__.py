"""Clips: where pixels go from frame to frame, and frames in between."""
