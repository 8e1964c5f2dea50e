"""Where the shipped recipes and paper tables lie: in the wheel, or in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Folder `datasets_manifests` or `leaderboard/papers`, wherever this installation keeps it."""
    # An editable install copies force-included files once and never again, so the checkout wins.
    checkout = PACKAGE.parent / name
    return checkout if checkout.is_dir() else PACKAGE / "_data" / name
