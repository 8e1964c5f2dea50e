"""The blur families: a file each, with a family's settings and its blur side by side."""
