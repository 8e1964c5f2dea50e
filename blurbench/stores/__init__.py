"""Where files lie: in a folder here, or behind a URL."""
