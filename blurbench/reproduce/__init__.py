"""The papers' tables as suites that run."""
