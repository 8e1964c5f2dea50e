"""How numbers and things are said."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


UNITS = {"ms": 1e-3, "s": 1.0, "minutes": 60.0, "hours": 3.6e3, "days": 86.4e3, "years": 3.154e7}


def lasting(seconds: float) -> str:
    """About how long: `90 s`, `5.2 hours`, `4.1 years`."""
    unit = next((unit for unit in reversed(UNITS) if seconds >= 1.5 * UNITS[unit]), "ms")
    number = seconds / UNITS[unit]
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def meant(name: str, known: Iterable[str]) -> str:
    """` (did you mean psnr?)` behind a name that is nearly one of the known; else nothing."""
    from difflib import get_close_matches  # on the way to an error alone

    near = get_close_matches(name.lower(), list(known), n=1, cutoff=0.7)
    return f" (did you mean {near[0]}?)" if near else ""
