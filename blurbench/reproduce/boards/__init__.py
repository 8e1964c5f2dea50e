"""The open boards: which rows they have, and one command that makes those that are missing."""
