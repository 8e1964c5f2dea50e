from collections import defaultdict
from pathlib import Path

import pytest
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.datasets.splits import choose, split_of
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.sources.items import FileItem
from blurbench.sources.labels.files import LabelFiles
from blurbench.sources.labels.shots import read_shots
from blurbench.sources.open import open_for
from blurbench.stores.folder import Folder

RECIPE = tiny_data.flow_recipe(labels=["shot_type"])


def write(root: Path, names: list[str], **tables: str) -> str:
    """Files of these names, never opened, and CSV files; gives the root as a source."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in tables.items():
        (root / f"{name}.csv").write_text(text)
    return str(root)


def told(source) -> dict[str, tuple[str, str]]:
    assert all(item.group == item.labels["clip"] for item in source.items)
    return {item.id: (item.labels["shot_type"], item.labels["clip"]) for item in source.items}


@pytest.mark.parametrize("columns", ["file,shot", "image,label", "filename,shot_type"])
def test_table_tells_the_shot_and_the_name_the_clip(tmp_path, columns):
    names = ["hall-1.jpg", "hall-2.png", "club_12_0034.jpg", "007.jpg"]
    shots = "hall-1.jpg,MS\nhall-2.png,cu\nclub_12_0034.jpg,XLS\n007.jpg,ADS\n"
    other = "image,licence\nhall-1.jpg,own\n"
    source = open_for(RECIPE, write(tmp_path, names, shots=f"{columns}\n{shots}", licences=other))
    assert told(source) == {
        "hall-1.jpg": ("MS", "hall"),
        "hall-2.png": ("CU", "hall"),
        "club_12_0034.jpg": ("XLS", "club_12"),
        "007.jpg": ("ADS", "007"),
    }
    assert source.description["clips"] == "3"


def test_clip_is_the_column_else_the_folder(tmp_path):
    names = ["one/a.jpg", "one/b.jpg", "two/c.jpg"]
    table = "file,shot,clip\na.jpg,MS,tour\nb.jpg,LS,\ntwo/c.jpg,MIS,tour\n"
    assert told(open_for(RECIPE, write(tmp_path, names, shots=table))) == {
        "one/a.jpg": ("MS", "tour"),
        "one/b.jpg": ("LS", "one"),
        "two/c.jpg": ("MIS", "tour"),
    }


def test_folders_tell_both(tmp_path):
    names = ["CU/hall-1.jpg", "MLS/hall-2.jpg", "tour/day1/MCU/3.jpg", "ls/club/4.jpg"]
    assert told(open_for(RECIPE, write(tmp_path, names))) == {
        "CU/hall-1.jpg": ("CU", "hall"),
        "MLS/hall-2.jpg": ("MLS", "hall"),
        "tour/day1/MCU/3.jpg": ("MCU", "tour/day1"),
        "ls/club/4.jpg": ("LS", "club"),
    }


def test_pictures_without_a_shot_type_fail_when_loaded(tmp_path):
    table = "file,shot\na.jpg,WIDE\nb.jpg,\n"
    source = open_for(RECIPE, write(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], shots=table))
    for item, problem in zip(
        source.items, ["unknown shot type 'WIDE'", *["no shot type"] * 2], strict=True
    ):
        with pytest.raises(BadImage, match=rf"^{item.id}: {problem}.*CU, MCU"):
            item.load()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,shot\na.jpg,MS\na.jpg,LS\n", "shots.csv: line 3: a.jpg is told otherwise above"),
        ("file,shot\na.jpg,MS\n./a.jpg,LS\n", "shots.csv: ./a.jpg is told otherwise under"),
        ("file,shot\na.jpg\n", "shots.csv: line 2 does not fit the header"),
        ("file,licence\na.jpg,own\n", "{root}: no shot types here; looked for a CSV file"),
    ],
)
def test_unusable_labels_are_one_line(tmp_path, table, message):
    spec = write(tmp_path, ["a.jpg"], shots=table)
    with pytest.raises(UserError) as error:
        open_for(RECIPE, spec)
    assert str(error.value).startswith(message.format(root=spec))
    assert "\n" not in str(error.value)


def test_clip_in_two_of_the_splits_of_the_source_is_refused(tmp_path):
    spec = write(tmp_path, ["train/CU/hall-1.jpg", "test/MS/hall-2.jpg"])
    with pytest.raises(
        UserError, match=r"hall-2.jpg is in test and .* in train, but both are of 'hall'"
    ):
        choose(RECIPE, open_for(RECIPE, spec))
    (tmp_path / "shots.csv").write_text("file,shot,clip\nhall-1.jpg,CU,a\nhall-2.jpg,MS,b\n")
    assert {item.split: item.group for item in open_for(RECIPE, spec).items} == {
        "train": "a",
        "test": "b",
    }


def test_drawn_faces_have_no_shot_types():
    with pytest.raises(UserError, match="builtin:procedural-faces: has no shot types"):
        open_for(RECIPE, "builtin:procedural-faces")


STILLS = st.builds(
    "{}/CU/{}-{}.jpg".format, *(st.sampled_from(each) for each in ("ab", "xy", "123"))
)
PLAIN = st.builds(
    "MS/{}-{}.jpg".format, st.text("abcdef", min_size=1, max_size=3), st.integers(0, 9)
)


@settings(deadline=None, max_examples=60)
@given(st.sets(STILLS | PLAIN, min_size=1), st.sets(STILLS | PLAIN))
def test_no_clip_is_in_two_splits_and_more_pictures_move_none(some, more):
    def splits(names):
        items = [FileItem(name, None, Path(name), Path(), None) for name in sorted(names)]
        found = read_shots(LabelFiles([], Folder(Path())), items, "stills")
        placed = {}
        for item in items:
            grouped = FileItem(item.id, None, item.path, Path(), None, found[item.id].group)
            placed[item.id] = (grouped.group, split_of(RECIPE, grouped))
        return placed

    before, after = splits(some), splits(some | more)
    of_clip = defaultdict(set)
    for clip, split in after.values():
        of_clip[clip].add(split)
    assert all(len(each) == 1 for each in of_clip.values())
    assert {name: after[name] for name in some} == before


def test_real_stills(shared):
    recipe = tiny_data.flow_recipe(
        labels=["shot_type"], splits={"train": 0.4, "val": 0.3, "test": 0.3}
    )
    source = open_for(recipe, str(shared / "data" / "concert"))
    assert len(source.items) == 14
    assert told(source)["hhband_concert-1.jpg"] == ("MS", "hhband_concert")
    splits = defaultdict(set)
    for item, split in choose(recipe, source):
        splits[item.group].add(split)
    assert len(splits) == 5
    assert all(len(each) == 1 for each in splits.values())
    assert len(set.union(*splits.values())) > 1
