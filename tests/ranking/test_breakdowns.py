from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.ranking.boards import make_boards
from blurbench.ranking.breakdowns import MOST_BINS, severity_bins
from blurbench.ranking.statistics import FEWEST, estimate

LENGTHS = st.lists(st.floats(0, 100).map(lambda x: round(x, 1)), min_size=1, max_size=90)


@given(LENGTHS)
def test_bins_hold_every_picture_once_in_order_of_length(lengths):
    severity = {f"id{index}": length for index, length in enumerate(lengths)}
    bins = severity_bins(severity, list(severity))
    assert sorted(name for one in bins for name in one.ids) == sorted(severity)
    ranges = [[severity[name] for name in one.ids] for one in bins]
    for lower, upper in pairwise(ranges):
        assert max(lower) < min(upper)
    for one, inside in zip(bins, ranges, strict=True):
        assert one.position == pytest.approx(np.mean(inside))


@given(st.integers(9, 200))
def test_bins_of_quantiles_are_about_equally_full(count):
    severity = {f"id{index:03}": index + 0.5 for index in range(count)}
    sizes = [len(one.ids) for one in severity_bins(severity, list(severity))]
    assert len(sizes) == max(1, min(MOST_BINS, count // FEWEST))
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(FEWEST, count)


def test_a_ladder_of_lengths_is_a_bin_a_rung():
    severity = {f"id{index}": 5.0 * (index % 4 + 1) for index in range(14)}
    bins = severity_bins(severity, list(severity))
    assert [(one.label, len(one.ids)) for one in bins] == [
        ("5", 4),
        ("10", 4),
        ("15", 3),
        ("20", 3),
    ]


def test_a_few_pictures_of_a_length_each_are_no_curve():
    severity = {f"id{index}": 5.0 + index for index in range(8)}
    assert len(severity_bins(severity, list(severity))) == 1


def test_labels_and_lengths_break_a_board_down(make_result, tmp_path):
    values = {f"id{index:02}": 20.0 + index for index in range(16)}
    rows = {
        name: {
            "severity": float(index),
            "groups": {"family": "line", "shot_type": "CU" if index % 2 else "FS"},
        }
        for index, name in enumerate(values)
    }
    [board] = make_boards(
        [
            make_result(tmp_path / "a", "a", values, rows=rows),
            make_result(tmp_path / "b", "b", values),  # of an older version: no labels
            make_result(tmp_path / "c", "c", dict(list(values.items())[:9]), rows=rows),
        ]
    )
    assert [(one.title, one.is_curve) for one in board.breakdowns] == [
        ("blur length, px", True),
        ("shot type", False),
    ]
    curve, shots = board.breakdowns
    assert [group.label for group in curve.groups] == ["0 to 7", "8 to 15"]
    assert [group.label for group in shots.groups] == ["CU", "FS"]
    # The model that lacks pictures would be measured on easier ones.
    assert shots.cells["psnr"].keys() == {"a", "b"}
    expected = estimate([value for name, value in values.items() if int(name[2:]) % 2])
    assert shots.cells["psnr"]["b"][0] == expected


def test_results_without_labels_have_no_breakdown(make_result, tmp_path):
    values = {f"id{index:02}": 20.0 + index for index in range(16)}
    [board] = make_boards([make_result(tmp_path / "a", "a", values)])
    assert board.breakdowns == []
