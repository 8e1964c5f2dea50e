"""Restored pictures into rows of scores."""
