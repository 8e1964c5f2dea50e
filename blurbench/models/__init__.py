"""The models by name."""

