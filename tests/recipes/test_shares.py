"""Shares of a whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.recipes.shares import shares_of


@given(st.lists(st.none() | st.floats(1e-3, 1), min_size=1, max_size=6))
def test_what_is_stated_is_kept_and_all_add_up_to_one(stated: list[float | None]) -> None:
    try:
        found = shares_of(stated)
    except ValueError:
        known = sum(each for each in stated if each is not None)
        assert known >= 1 - 1e-9 if None in stated else not math.isclose(known, 1, abs_tol=1e-9)
        return
    assert math.isclose(sum(found), 1, abs_tol=1e-9)
    assert all(a in (None, b) for a, b in zip(stated, found, strict=True))
    assert len({b for a, b in zip(stated, found, strict=True) if a is None}) <= 1


def test_the_rest_is_the_number_that_one_would_write() -> None:
    assert shares_of([None, 0.7]) == (0.3, 0.7)
    assert shares_of([None, None, 0.5]) == (0.25, 0.25, 0.5)
    assert shares_of([0.7, 0.2, 0.1]) == (0.7, 0.2, 0.1)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ([0.5, 0.4], "add up to 1"),
        ([0.5, 0.6, None], "leave nothing"),
        ([None, 1.0], "leave nothing"),
        ([0.0, None], "above 0"),
        ([-0.1, None], "above 0"),
        ([float("nan"), None], "above 0"),
    ],
)
def test_what_cannot_be_is_refused(stated: list[float | None], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        shares_of(stated)
