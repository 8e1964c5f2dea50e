"""Where sharp pictures come from."""
