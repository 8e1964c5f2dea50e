"""Scoring restored pictures, and ranking what was scored."""
