"""Shares of a whole: of data sets in a training, of recipes in a mixture."""

from collections.abc import Sequence

CLOSE = 1e-9  # as floats 0.7 + 0.2 + 0.1 is less than 1


def shares_of(stated: Sequence[float | None]) -> tuple[float, ...]:
    """Those that are stated; the others share the rest evenly. They add up to 1.

    ValueError where they cannot.
    """
    known = [each for each in stated if each is not None]
    if unfit := [each for each in known if not 0 < each <= 1]:
        raise ValueError(f"a share lies above 0, up to 1 (is {unfit[0]:g})")
    total, open_ones = sum(known), len(stated) - len(known)
    if not open_ones and abs(total - 1) > CLOSE:
        raise ValueError(f"the shares must add up to 1 (they make {total:g})")
    if open_ones and total >= 1 - CLOSE:
        raise ValueError(
            f"the shares that are stated make {total:g} and leave nothing for the rest"
        )
    rest = round((1 - total) / open_ones, 12) if open_ones else 0.0  # 0.3, not 0.30000000000000004
    return tuple(rest if each is None else each for each in stated)
