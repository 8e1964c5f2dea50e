"""The page of a board, which works offline."""
