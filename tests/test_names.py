"""One matcher of names: whoever wrote them, the same picture is found, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.names import match_names, numbers_of, parts_of, path_of

GOPRO = [
    *(f"test/GOPR0384_11_00/blur/00000{i}.png" for i in (1, 2, 3)),
    *(f"test/GOPR0854_11_00/blur/0000{i}.png" for i in ("01", "02", "11")),
]
# As the files of a data set are known: by id, by the blurred picture.
BY_ID = {
    path: [path.removeprefix("test/")[:-4].lower().replace("/", "-").replace("_", "-"), path]
    for path in GOPRO
}
REALBLUR = [f"scene{scene:03}/blur/blur_{i}.png" for scene in (1, 4) for i in range(1, 12)]
REDS = [f"val_blur/{clip:03}/{frame:08}.png" for clip in range(3) for frame in range(20)]
HIDE = ["test/test-close-ups/1fromGOPR0950.png", "test/test-long-shot/3fromGOPR0951.png"]


def known(paths):
    return {path: [path] for path in paths}


def sequence_and_frame(path):
    _, sequence, _, frame = path.split("/")
    return sequence, frame


@pytest.mark.parametrize(
    "written",
    [
        "{0}/{1}",  # SRN, DeepDeblur
        "test/{0}/blur/{1}",
        "{0}-{1}",  # the repacked GoPro of MPRNet, Restormer, NAFNet
        "{0}_{1}",
        "results\\{0}\\{1}",
        "nafnet_run3/{0}/{1}",
        "./{0}_{1}",
    ],
)
@pytest.mark.parametrize("suffix", ["", "_restored", "_nafnet_20", "_11"])
def test_results_of_gopro_as_public_code_writes_them(written, suffix):
    names = {}
    for path in GOPRO:
        sequence, frame = sequence_and_frame(path)
        names[path] = written.format(sequence, frame.replace(".png", f"{suffix}.jpg"))
    found = match_names(BY_ID, names.values())
    assert found.names == names
    assert not found.doubled
    assert not found.unclear
    assert not found.strays


@pytest.mark.parametrize(
    ("paths", "written"),
    [
        (REALBLUR, lambda p: p.replace("/blur/blur_", "_")),
        (REALBLUR, lambda p: p.replace("/blur/blur_", "/")),
        (REALBLUR, lambda p: p.replace("/blur/", "-").replace(".png", "_out.png")),
        (HIDE, lambda p: p.rpartition("/")[2]),
        (HIDE, lambda p: p.rpartition("/")[2].replace(".png", "_nafnet.png")),
        (REDS, lambda p: p.removeprefix("val_blur/").replace("/", "_")),
        (REDS, lambda p: "/".join(str(int(n)) for n in p[9:-4].split("/")) + ".png"),
        (REDS, lambda p: "exp/" + p.removeprefix("val_blur/").replace(".png", "_mimo.png")),
    ],
)
def test_results_of_other_sets(paths, written):
    names = {path: written(path) for path in paths}
    assert match_names(known(paths), names.values()).names == names


@pytest.mark.parametrize(
    "names",
    [
        ["GOPR9999_11_00/000003.png"],
        ["GOPR9999_11_00/000003.png", "GOPR9999_11_00/000001.png"],
        ["another/000003.png"],
        ["GOPR9999_11_00-000003_restored.png"],
    ],
)
def test_a_picture_of_another_sequence_means_nothing(names):
    assert match_names(BY_ID, names).strays == names
    # Nor where all pictures are of one sequence, whose name tells none of them apart.
    if "GOPR" in names[0]:
        assert match_names(known(GOPRO[:3]), names).strays == names


def test_a_bare_file_name_means_the_only_picture_of_that_name():
    found = match_names(BY_ID, ["000003.png", "000001.png"])
    assert found.names == {GOPRO[2]: "000003.png"}
    assert found.unclear == {"000001.png": [GOPRO[0], GOPRO[3]]}


def test_several_names_of_one_picture_are_told():
    names = ["1_real_A.png", "1_fake_B.png", "2_fake_B.png"]
    found = match_names(known(["1.png", "2.png"]), names)
    assert found.doubled == {"1.png": names[:2]}
    assert found.names == {"2.png": "2_fake_B.png"}


def test_an_exact_name_goes_before_another():
    found = match_names(known(["a/1.png", "a/2.png"]), ["a/1.png", "x/a/1.png", "2.png"])
    assert found.names == {"a/1.png": "a/1.png", "a/2.png": "2.png"}
    assert found.strays == ["x/a/1.png"]


def test_the_best_way_a_picture_is_called_goes_first():
    wanted = {"one": ["sky", "sea"], "two": ["sea", "sky"]}
    assert match_names(wanted, ["sky.png", "sea.png"]).names == {"one": "sky.png", "two": "sea.png"}


def test_a_name_of_its_own_is_found_in_any_folder_but_a_counter_is_not():
    assert match_names(known(HIDE), ["nafnet/1fromGOPR0950.png"]).names == {
        HIDE[0]: "nafnet/1fromGOPR0950.png"
    }
    assert match_names(known(["val/a.jpg"]), ["val2014/a.jpg"]).names == {
        "val/a.jpg": "val2014/a.jpg"
    }
    numbers = ["a/COCO_000000184613.png", "b/COCO_000000391895.png"]
    listed = [f"val2014/{each[2:]}" for each in numbers]
    assert match_names(known(numbers), listed).names == dict(zip(numbers, listed, strict=True))
    assert match_names(known(["a/01.png", "b/02.png"]), ["c/01.png"]).strays == ["c/01.png"]


@pytest.mark.parametrize(
    "name", ["kernel_02/lincoln.png", "kernel_03/lincoln.png", "x/kernel_2-lincoln.png"]
)
def test_the_same_file_name_in_a_folder_of_another_picture_means_nothing(name):
    wanted = known(["kernel_01/lincoln.png", "kernel_02/dragon.png"])
    assert match_names(wanted, [name]).names == {}
    scenes = known(["scene1/left.png", "scene2/right.png"])
    assert match_names(scenes, ["scene3/left.png", "scene1/right.png"]).names == {}
    assert match_names(known(["scene1/left.png"]), ["scene2/left.png"]).names == {}


def test_another_file_name_in_the_same_folder_means_nothing():
    found = match_names(known(["a.png", "y/a.png"]), ["y/b.png"])
    assert found.strays == ["y/b.png"]
    wanted = known(["x/photo_a.png", "y/photo_a.png"])
    assert match_names(wanted, ["y/drawing_b.png", "x/photo_b.png"]).names == {}


def test_the_extension_decides_between_two_files():
    names = ["a.png", "./a.jpg", "a.jpg"]
    found = match_names(known(["a.jpg"]), names)
    assert found.doubled == {"a.jpg": ["./a.jpg", "a.jpg"]}
    assert found.strays == ["a.png"]


COCO = ["COCO_val2014_000000184613.png", "COCO_val2014_000000391895.png"]


@pytest.mark.parametrize(
    "names",
    [
        ["COCO_val2014_000000184613.jpg", "COCO_val2014_000000391895.jpg"],
        ["000000184613.jpg", "000000391895.jpg"],
        ["184613", "391895"],
        ["val2014/COCO_val2014_000000184613.jpg", "val2014/COCO_val2014_000000391895.jpg"],
    ],
)
def test_lists_that_name_pictures_in_another_way(names):
    found = match_names(known(COCO), [*names, "000000000007.jpg"])
    assert found.names == dict(zip(COCO, names, strict=True))
    assert found.strays == ["000000000007.jpg"]


def test_spellings():
    assert path_of(".\\Results\\A\\01.PNG") == "results/a/01"
    assert path_of("v1.5/a.b") == "v1.5/a"
    assert path_of("GOPR.0384") == "gopr.0384"  # no extension begins with a digit
    assert parts_of("11_0011-11 x") == (("11", 0), ("0011", 0), ("11", 1), ("x", 0))
    assert numbers_of("11_0011") == (("11", 0), ("11", 1))
    assert numbers_of("000") == (("0", 0),)


PART = st.text("ab01", min_size=1, max_size=3)
PATHS = st.lists(st.lists(PART, min_size=1, max_size=3).map("/".join), unique=True, max_size=8)


@given(PATHS)
def test_paths_mean_themselves(paths):
    found = match_names(known(paths), [f"{path}.png" for path in paths])
    assert found.names == {path: f"{path}.png" for path in paths}


@given(PATHS, PATHS)
def test_each_name_is_told_once(wanted, names):
    found = match_names(known(wanted), names)
    doubled = [name for meant in found.doubled.values() for name in meant]
    told = [*found.names.values(), *doubled, *found.unclear, *found.strays]
    assert sorted(told) == sorted(names)
    assert not found.names.keys() & found.doubled.keys()


@given(PATHS, st.randoms())
def test_order_does_not_count(names, random):
    wanted = known(["a/0", "a/1", "b/0", "b/1"])
    shuffled = random.sample(names, len(names))
    found, again = match_names(wanted, names), match_names(wanted, shuffled)
    assert (found.names, found.unclear) == (again.names, again.unclear)
    assert sorted(found.strays) == sorted(again.strays)
