"""What a user can be told in one line."""


class UserError(Exception):
    """Bad usage or bad input: one line that names the file or field and the mend (exit code 2)."""
