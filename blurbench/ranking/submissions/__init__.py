"""A board that anybody may add rows to: a folder under git, and what is known of its rows."""
