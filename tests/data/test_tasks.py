import itertools

import numpy as np
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.data.sources import FileItem, open_source
from blurbench.data.tasks import choose, list_tasks, pair_id, place_of, split_of

RECIPE = tiny_data.flow_recipe()


def test_limits_take_the_first_in_hash_order_with_every_split(tmp_path):
    for name, count in (("train", 20), ("val", 2), ("test", 4)):
        tiny_data.write_photos(tmp_path / "in" / name, count)
    source = open_source(str(tmp_path / "in"))
    chosen = [choose(RECIPE, source, n) for n in range(1, 27)]
    for n, some in enumerate(chosen, start=1):
        assert len(some) == n
        assert len({split for _, split in some}) == min(n, 3)
    for fewer, more in itertools.pairwise(chosen):
        assert {item.id for item, _ in fewer} < {item.id for item, _ in more}
    made = list_tasks(RECIPE, source, limit=4)
    assert {task.split for task in made} == {"train", "val", "test"}
    assert len({task.item.id for task in made}) == 4


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 200))
def test_ids_are_safe_names_that_begin_with_a_letter(source_id, replica):
    id = pair_id(source_id, "train", replica)
    assert id[0].isascii()
    assert id[0].isalpha()
    assert set(id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(id) < 80


def test_ids_are_readable_and_differ():
    assert pair_id("103006.jpg", "train", 0).startswith("img-103006-")
    assert pair_id("103006.jpg", "train", 7).endswith("-r07")
    assert pair_id("coffee/03", "test", 0).startswith("coffee-03-")
    names = ["a.png", "A.png", "a.jpg", "b/a.png", "b-a.png", "ä.png", "train/a.png"]
    assert len({pair_id(name, "train", 0) for name in names}) == len(names)


def test_hashed_splits_hold_their_shares(tmp_path):
    items = [FileItem(f"{n}.jpg", None, tmp_path, tmp_path, None) for n in range(2000)]
    splits = [split_of(RECIPE, item) for item in items]
    assert abs(splits.count("train") / 2000 - 0.5) < 0.04
    assert abs(splits.count("val") / 2000 - 0.25) < 0.03
    assert split_of(RECIPE, FileItem("1.jpg", "test", tmp_path, tmp_path, None)) == "test"
    # The order of limits must not be the order of splits: the first ones would all be train.
    places = np.array([[place_of(p, item.id) for p in ("split", "limit")] for item in items])
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.1
