from collections import Counter, defaultdict
from pathlib import Path

import pytest
import tiny_data

from blurbench.datasets import make
from blurbench.datasets.splits import choose
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_for

RECIPE = tiny_data.flow_recipe(labels=["identity"])
RECOGNITION = tiny_data.flow_recipe(
    labels=["identity"], recognition={"probes": 3, "gallery": 2}, images={}
)


def write(root: Path, names: list[str], identities: str | None = None, folder: str = "") -> str:
    """Files of these names, never opened, and CelebA's list; gives the root as a source."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if identities is not None:
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "identity_CelebA.txt").write_text(identities)
    return str(root)


def told(source) -> dict[str, str | None]:
    assert all(item.group == item.labels.get("identity") for item in source.items)
    return {item.id: item.group for item in source.items}


@pytest.mark.parametrize("folder", ["", "Anno"])
def test_list_of_celeba(tmp_path, folder):
    names = [f"img_align_celeba/{n:06d}.jpg" for n in (1, 2, 3)]
    listed = "000001.jpg 2880\n000002.jpg 7\r\n000003.jpg 2880\n000004.jpg 5\n\n"
    source = open_for(RECIPE, write(tmp_path, names, listed, folder))
    assert told(source) == dict(zip(names, ["2880", "7", "2880"], strict=True))
    assert source.description["identities"] == "2"


def test_one_folder_an_identity(tmp_path):
    names = ["s1/1.pgm", "s1/2.pgm", "s10/1.pgm", "lfw/Ann/1.pgm"]
    source = open_for(RECIPE, write(tmp_path / "a", names))
    assert told(source) == dict(zip(sorted(names), ["lfw/Ann", "s1", "s1", "s10"], strict=True))
    source = open_for(RECIPE, write(tmp_path / "b", ["train/s1/1.pgm", "test/s2/1.pgm"]))
    assert told(source) == {"test/s2/1.pgm": "s2", "train/s1/1.pgm": "s1"}


def test_pictures_of_nobody_fail_when_loaded(tmp_path):
    source = open_for(RECIPE, write(tmp_path / "a", ["1.jpg", "2.jpg"], "1.jpg 7\n"))
    with pytest.raises(BadImage, match=r"^2\.jpg: no identity: not in identity_CelebA\.txt"):
        source.items[1].load()
    source = open_for(RECIPE, write(tmp_path / "b", ["s1/1.jpg", "2.jpg"]))
    with pytest.raises(BadImage, match=r"^2\.jpg: no identity: lies in no folder"):
        source.items[0].load()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("1.jpg 7\n1.jpg\n", "identity_CelebA.txt: line 2: needs a file name and an identity"),
        ("1.jpg 7\n1.jpg 8\n", "identity_CelebA.txt: line 2: 1.jpg has another identity above"),
        (
            "x1.jpg 7\n",
            "identity_CelebA.txt: names none of these pictures (it has x1.jpg, here is 1.jpg)",
        ),
        (None, "{root}: no identities here; looked for identity_CelebA.txt"),
    ],
)
def test_unusable_identities_are_one_line(tmp_path, listed, message):
    spec = write(tmp_path, ["1.jpg"], listed)
    with pytest.raises(UserError) as error:
        open_for(RECIPE, spec)
    assert str(error.value).startswith(message.format(root=spec))
    assert "\n" not in str(error.value)


def test_no_identity_is_in_two_splits(tmp_path):
    names = [f"s{person}/{n}.pgm" for person in range(30) for n in range(3)]
    splits = defaultdict(set)
    for item, split in choose(RECIPE, open_for(RECIPE, write(tmp_path, names))):
        splits[item.group].add(split)
    assert all(len(each) == 1 for each in splits.values())
    assert set.union(*splits.values()) == {"train", "val", "test"}


def test_identity_in_two_of_the_splits_of_the_source_is_for_recognition_only(tmp_path):
    spec = write(tmp_path, [f"{split}/s1/{n}.pgm" for split in ("train", "test") for n in "12"])
    with pytest.raises(UserError, match=r"test/s1/1.pgm is in test and train/s1/1.pgm in train"):
        choose(RECIPE, open_for(RECIPE, spec))
    assert len(choose(RECOGNITION, open_for(RECOGNITION, spec))) == 3


def test_probes_and_gallery_are_of_known_identities(tmp_path):
    names = [f"{n}.jpg" for n in range(20)]
    listed = "".join(f"{n}.jpg {n % 4}\n" for n in range(16))
    chosen = choose(RECOGNITION, open_for(RECOGNITION, write(tmp_path, names, listed)))
    roles = Counter((item.labels["identity"], item.labels["role"]) for item, _ in chosen)
    assert sorted(roles.values()) == [1, 1, 1, 2, 2, 2]
    assert {split for _, split in chosen} == {"test"}


def test_pictures_of_nobody_are_told_where_they_are_left_out(tmp_path):
    tiny_data.write_photos(tmp_path, 7)
    (tmp_path / "identity_CelebA.txt").write_text("".join(f"00{n}.png 1\n" for n in range(5)))
    plan = make.plan(RECOGNITION, open_for(RECOGNITION, str(tmp_path)))
    assert plan.told.lacks == [
        "2 pictures of nobody known, left out "
        "(first: 005.png: no identity: not in identity_CelebA.txt)"
    ]


def test_lists_in_several_folders_are_one(tmp_path):
    spec = write(tmp_path, ["a/1.jpg", "b/2.jpg"], "1.jpg 7\n")
    (tmp_path / "b" / "identity_CelebA.txt").write_text("2.jpg 8\n")
    assert told(open_for(RECIPE, spec)) == {"a/1.jpg": "7", "b/2.jpg": "8"}


def test_real_identities(shared):
    recipe = load_recipe("umsn-recognition")
    source = open_for(recipe, str(shared / "data" / "faces" / "orl_identities"))
    assert source.description["identities"] == "20"
    roles = Counter(item.labels["role"] for item, _ in choose(recipe, source))
    assert roles == {"probe": 20, "gallery": 180}
