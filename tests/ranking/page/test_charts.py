from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.ranking.boards import make_boards
from blurbench.ranking.page.charts import (
    BOTTOM,
    HEIGHT,
    NAME_GAP,
    TOP,
    Axis,
    severity_chart,
    spread_out,
)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_ticks_are_a_few_round_numbers_where_they_say(low, span):
    axis = Axis(low, low + span, 0, 100)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    for place, text in ticks:
        assert place == pytest.approx(100 * (float(text) - low) / span, abs=0.11)
        assert -0.1 <= place <= 100.1


@given(st.lists(st.floats(TOP, BOTTOM), min_size=1, max_size=8))
def test_names_keep_their_order_and_do_not_overlap(places):
    moved = spread_out(places)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for one, other in pairwise(order):
        assert moved[other] - moved[one] >= NAME_GAP - 1e-9
    assert max(moved) <= HEIGHT


def test_a_curve_of_equal_scores_lies_in_the_middle(make_result, tmp_path):
    values = {f"id{index}": 30.0 for index in range(16)}
    rows = {name: {"severity": 5.0 * (index % 2)} for index, name in enumerate(values)}
    [board] = make_boards([make_result(tmp_path / "a", "a", values, rows=rows)])
    chart = severity_chart(board, board.breakdowns[0], "psnr")
    assert [point["y"] for point in chart.lines[0].points] == [(TOP + BOTTOM) / 2] * 2
    assert len(chart.y_ticks) > 1
