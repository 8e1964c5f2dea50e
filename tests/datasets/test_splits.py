import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.datasets.pair import make_pair
from blurbench.datasets.splits import (
    choose,
    empty_splits,
    group_of_row,
    held_out,
    list_tasks,
    pair_id,
    place_of,
    shortfall,
    split_of,
    unused_count,
)
from blurbench.errors import UserError
from blurbench.sources.open import FileItem, Sharp, Source, open_source

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


def test_tasks_are_named_by_the_rule_and_share_what_they_hold():
    recipe = tiny_data.flow_recipe(replicas={"train": 3, "val": 2})
    tasks = list_tasks(recipe, listed(anna=9, ben=4, cleo=7, dan=5, eve=6))
    assert all(t.id == pair_id(t.item.id, t.split, t.replica) for t in tasks)
    assert [(t.split, t.id) for t in tasks] == sorted((t.split, t.id) for t in tasks)
    assert len({t.item.id for t in tasks}) == len({id(t.stem) for t in tasks})


def test_hashed_splits_hold_their_shares(tmp_path):
    items = [FileItem(f"{n}.jpg", None, tmp_path, tmp_path, None) for n in range(2000)]
    splits = [split_of(RECIPE, item) for item in items]
    assert abs(splits.count("train") / 2000 - 0.5) < 0.04
    assert abs(splits.count("val") / 2000 - 0.25) < 0.03
    assert split_of(RECIPE, FileItem("1.jpg", "test", tmp_path, tmp_path, None)) == "test"
    # The order of limits must not be the order of splits: the first ones would all be train.
    places = np.array([[place_of(p, item.id) for p in ("split", "limit")] for item in items])
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.1


def listed(**of_groups: int) -> Source:
    """A source of so many images in each group."""
    items = tuple(
        FileItem(f"{group}/{n:02}.png", None, Path(), Path(), None, group, {"identity": group})
        for group, count in of_groups.items()
        for n in range(count)
    )
    return Source("in", items, {})


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.integers(1, 5), min_size=2))
def test_no_group_is_in_two_splits_and_others_never_move_it(counts):
    splits = {}
    for item, split in choose(RECIPE, listed(**counts)):
        assert splits.setdefault(item.group, split) == split
    counts.pop(next(iter(counts)))
    for item, split in choose(RECIPE, listed(**counts)):
        assert splits[item.group] == split


def test_pictures_of_one_folder_share_a_split_where_the_recipe_says_so():
    recipe = tiny_data.flow_recipe(groups="folder")
    ids = [f"{folder}/sharp/{n}.png" for folder in "abcdefgh" for n in range(20)]
    items = [FileItem(id, None, Path(), Path(), None) for id in ids]
    splits = {(item.id[0], split_of(recipe, item)) for item in items}
    assert len(splits) == 8
    assert len({split for _, split in splits}) > 1
    assert len({(item.id[0], split_of(RECIPE, item)) for item in items}) > 8


def test_a_recipe_takes_so_many_images_of_each_split():
    source = listed(a=60, b=60, c=60, d=60)
    everything = choose(RECIPE, source)
    recipe = tiny_data.flow_recipe(images={"train": 5, "val": 0})
    some = choose(recipe, source)
    assert Counter(split for _, split in some)["train"] == 5
    assert "val" not in {split for _, split in some}
    everything_ids = {(item.id, split) for item, split in everything}
    assert {(item.id, split) for item, split in some} <= everything_ids
    assert shortfall(recipe, list_tasks(recipe, source)) == ""
    greedy = tiny_data.flow_recipe(images={"train": 500})
    told = shortfall(greedy, list_tasks(greedy, source))
    assert "of 500 train; fine for a set of your own" in told
    more = choose(tiny_data.flow_recipe(images={"train": 6, "val": 0}), source)
    assert {item.id for item, _ in some} < {item.id for item, _ in more}


def stated(*items: tuple[str, str | None, str | None]) -> Source:
    """A source of (id, split, group)s."""
    found = [FileItem(id, split, Path(), Path(), None, group) for id, split, group in items]
    return Source("in", tuple(found), {})


BY_COUNT = tiny_data.flow_recipe(splits={"by": "count", "train": 0.8, "val": 0.1, "test": 0.1})


@pytest.mark.parametrize(
    ("pictures", "counts"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (5, (3, 1, 1)), (17, (13, 2, 2)),
     (100, (80, 10, 10))],
)  # fmt: skip
def test_splits_by_count_hold_their_shares_and_leave_none_empty(pictures, counts):
    source = stated(*((f"{n}.png", None, None) for n in range(pictures)))
    split = {item.id: name for item, name in choose(BY_COUNT, source)}
    assert tuple(Counter(split.values())[name] for name in ("train", "val", "test")) == counts
    backwards = Source("in", source.items[::-1], {})
    assert {item.id: name for item, name in choose(BY_COUNT, backwards)} == split


def test_splits_by_count_keep_groups_whole_and_what_is_stated():
    items = [(f"{n}.png", None, f"clip {n % 5}") for n in range(40)]
    split = {item.id: name for item, name in choose(BY_COUNT, stated(*items))}
    assert all(split[f"{n}.png"] == split[f"{n % 5}.png"] for n in range(40))
    assert Counter(split.values()) == {"train": 24, "val": 8, "test": 8}
    told = stated(("a.png", "test", None), ("b.png", None, None))
    assert {item.id: name for item, name in choose(BY_COUNT, told)} == {
        "a.png": "test",
        "b.png": "train",
    }


def test_a_recipe_by_hash_is_written_as_before():
    assert "by" not in RECIPE.model_dump(mode="json")["splits"]
    assert BY_COUNT.model_dump(mode="json")["splits"]["by"] == "count"


def test_splits_that_nothing_fell_into_are_told_with_the_mend():
    def told(recipe, source, limit=None):
        return empty_splits(recipe, source, list_tasks(recipe, source, limit), limit)

    few = stated(("0.png", None, None), ("1.png", None, None))
    assert {name for _, name in choose(RECIPE, few)} == {"train"}
    assert told(RECIPE, few) == "no pair for val and test: 2 pictures fell to train; add pictures"
    six = stated(*((f"{n}.png", None, None) for n in (0, 1, 2, 4, 5, 9)))
    assert told(RECIPE, six) == (
        "no pair for val and test: 6 pictures fell to train; put some in folders train, val and"
        ' test, or set splits.by = "count" in a copy of the recipe'
    )
    many = stated(*((f"{n}.png", None, None) for n in range(40)))
    assert told(RECIPE, many) == ""
    assert told(RECIPE, many, 2).endswith("; give a --limit of 3 or more")
    assert told(BY_COUNT, few).endswith("fell to test, train; add pictures")
    assert told(RECIPE, stated(("a.png", "train", None))) == ""
    assert told(tiny_data.flow_recipe(splits={"train": 0.0, "val": 0.0, "test": 1.0}), few) == ""


def test_counts_that_the_source_leaves_no_use_for_are_told():
    folders = stated(("a.png", "train", None), ("b.png", "test", None))
    assert unused_count(BY_COUNT, folders) == (
        'splits.by = "count" counts nothing: in states the split of every picture (train, test);'
        " leave it out, or give a folder without those"
    )
    assert unused_count(RECIPE, folders) == ""
    assert unused_count(BY_COUNT, stated(("a.png", "train", None), ("b.png", None, None))) == ""


def test_a_group_in_two_splits_is_refused():
    words = r"^in: a\.png is in train and b\.png in test, but both are of 'anna'; keep a clip, .*"
    with pytest.raises(UserError, match=words):
        choose(RECIPE, stated(("a.png", "train", "anna"), ("b.png", "test", "anna")))
    # One stated, the other by its hash.
    by_hash = split_of(RECIPE, stated(("b.png", None, "anna")).items[0])
    other = next(split for split in ("train", "val", "test") if split != by_hash)
    with pytest.raises(UserError, match=f"in {other} and b.png in {by_hash}"):
        choose(RECIPE, stated(("a.png", other, "anna"), ("b.png", None, "anna")))
    by_folder = tiny_data.flow_recipe(groups="folder")
    items = ("x/a.png", "train", None), ("x/b.png", "test", None)
    with pytest.raises(UserError, match="both are of 'x'"):
        choose(by_folder, stated(*items))
    assert len(choose(RECIPE, stated(*items))) == 2


def test_a_source_without_an_image_for_the_splits_is_told():
    source = Source("in", (FileItem("a.png", "train", Path(), Path(), None),), {})
    with pytest.raises(UserError, match=r"in: no image falls into the splits .* \(val, test\)"):
        choose(tiny_data.flow_recipe(images={"train": 0}), source)


def test_recognition_takes_a_probe_and_its_gallery_of_each_identity():
    recipe = tiny_data.flow_recipe(
        labels=["identity"], recognition={"probes": 2, "gallery": 3}, replicas={"test": 5}
    )
    source = listed(anna=4, ben=9, cleo=3, dan=4, eve=6)
    chosen = choose(recipe, source)
    assert {split for _, split in chosen} == {"test"}
    roles = Counter((item.labels["identity"], item.labels["role"]) for item, _ in chosen)
    names = {name for name, _ in roles}
    assert len(names) == 2
    assert "cleo" not in names  # three images are too few
    assert all(roles[name, "probe"] == 1 and roles[name, "gallery"] == 3 for name in names)
    tasks = list_tasks(recipe, source)
    made = Counter(task.item.labels["role"] for task in tasks)
    assert made == {"probe": 2 * 5, "gallery": 2 * 3}
    asking = tiny_data.flow_recipe(labels=["identity"], recognition={"probes": 9, "gallery": 3})
    assert "4 of 9 identities" in shortfall(asking, list_tasks(asking, source))
    assert choose(recipe, source, 1) == [
        each for each in chosen if each[0].group == chosen[0][0].group
    ]
    with pytest.raises(UserError, match=r"in: no identity here has the 4 images"):
        choose(recipe, listed(anna=3))


def test_gallery_images_stay_sharp():
    recipe = tiny_data.flow_recipe(
        labels=["identity"], recognition={"probes": 1, "gallery": 1}, noise__sigma=0.05
    )
    for role, stays in (("probe", False), ("gallery", True)):
        labels = {"identity": "anna", "role": role}
        sharp = Sharp(tiny_data.picture(0, 96, 96), None, "", labels=labels)
        pair = make_pair(recipe, 0, "a.png", "test", 0, sharp)
        assert (pair.blur == pair.sharp).all() == stays
        assert pair.row["role"] == role
        assert (pair.row["noise_sigma"] == 0) == stays


def test_a_share_of_the_groups_is_held_out_by_their_hashes() -> None:
    groups = [f"clip{number // 5}" for number in range(1000)]
    held = held_out(groups, 0.1)
    clips = {groups[index] for index in held}
    assert 10 <= len(clips) <= 30  # of 200
    assert held == {index for index, group in enumerate(groups) if group in clips}
    # More sources move none to the other side.
    assert held_out([*groups, "other", "more"], 0.1) & {*range(1000)} == held
    assert len(held_out(groups[:50], 1e-6)) == 5  # one group at least
    for share, told in ((1.5, "between 0 and 1"), (0.999999, "leaves none")):
        with pytest.raises(UserError, match=told):
            held_out(groups[:5], share)


@pytest.mark.parametrize(
    ("recipe", "row", "group"),
    [
        ({}, {"source_id": "train/a.png"}, "train/a.png"),
        ({"groups": "folder"}, {"source_id": "clip/0001.png"}, "clip"),
        ({}, {"source_id": "film.mp4/000006"}, "film.mp4"),
        ({}, {"source_id": "x/1.png", "identity": "ann"}, "ann"),
        ({}, {"source_id": "x/1.png", "sequence": "GOPR1"}, "GOPR1"),
    ],
)
def test_rows_of_one_clip_or_person_stay_together(
    recipe: dict[str, str], row: dict[str, str], group: str
) -> None:
    assert group_of_row(recipe, row) == group
