"""Commands of more than one page, a file each; cli.py has the others."""
