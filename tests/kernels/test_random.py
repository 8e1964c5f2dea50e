"""Random streams: pinned draws, and names that cannot be confused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import random

KEY = st.lists(st.text(max_size=4) | st.integers(), max_size=4).map(tuple)


def test_pinned_draws():
    stream = random.stream("sev-blurdata", 7, "train", "kernel")
    assert stream.integers(2**63, size=2).tolist() == [2635173942677295320, 2416390016744893396]
    assert stream.random() == 0.5177941542993574
    assert stream.standard_normal(2).tolist() == [-0.03523099981776258, -0.17793419089936366]


@given(KEY, KEY)
@settings(max_examples=100, deadline=None)
def test_same_name_same_stream_other_name_other_stream(a, b):
    same = np.array_equal(random.stream(*a).random(4), random.stream(*b).random(4))
    assert same == (a == b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1,), ("1",)),
        (("ab", "c"), ("a", "bc")),
        (("a",), ("a", "")),
        ((12, 3), (1, 23)),
        ((-1,), (1,)),
        ((10**5000,), (10**5000 + 1,)),
        (("s1:a",), ("a",)),
        ((), (0,)),
    ],
)
def test_keys_that_look_alike_differ(a, b):
    assert random.stream(*a).random() != random.stream(*b).random()


def test_numpy_integers_and_undecodable_names():
    assert random.stream(np.int64(-5)).random() == random.stream(-5).random()
    assert random.stream("\udcff").random() != random.stream("\udcfe").random()


@pytest.mark.parametrize("part", [1.0, None, True, b"a", ("a",)])
def test_other_types_are_refused(part):
    with pytest.raises(TypeError, match=type(part).__name__):
        random.stream("a", part)
