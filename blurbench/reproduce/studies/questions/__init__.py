"""The questions that are asked: a file each, as it was stated before its first run."""
