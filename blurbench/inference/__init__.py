"""Any picture, of any size, restored or described."""
