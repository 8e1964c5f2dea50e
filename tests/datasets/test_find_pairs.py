import pytest

from blurbench.datasets.find_pairs import FoundPair, list_pairs
from blurbench.errors import UserError
from blurbench.recipes.existing import PairPaths
from blurbench.recipes.recipe import load_any_recipe

REALBLUR = "RealBlur-J_ECC_IMCORR_centroid_itensity_ref"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(name, root):
    return list_pairs(load_any_recipe(name), str(root)).pairs


def with_layout(**places):
    return load_any_recipe("pairs").model_copy(update={"pairs": (PairPaths(**places),)})


def complaint(name, root) -> str:
    with pytest.raises(UserError) as error:
        listed(name, root)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def gopro(tmp_path):
    frames = ("train/S1/{}/000001.png", "train/S2/{}/000001.png", "test/S3/{}/000007.png")
    kinds = ("sharp", "blur", "blur_gamma")
    return touch(tmp_path / "in", *(frame.format(kind) for frame in frames for kind in kinds))


@pytest.mark.parametrize(("name", "kind"), [("gopro", "blur"), ("gopro-gamma", "blur_gamma")])
def test_gopro(gopro, name, kind):
    assert listed(name, gopro) == [
        FoundPair("test", f"test/S3/{kind}/000007.png", "test/S3/sharp/000007.png", "S3"),
        FoundPair("train", f"train/S1/{kind}/000001.png", "train/S1/sharp/000001.png", "S1"),
        FoundPair("train", f"train/S2/{kind}/000001.png", "train/S2/sharp/000001.png", "S2"),
    ]


def test_hide_has_the_sharp_pictures_of_both_splits_in_one_folder(tmp_path):
    names = ("train/a.png", "test/test-close-ups/b.png", "test/test-long-shot/c.png")
    touch(tmp_path, *names, "GT/a.png", "GT/b.png", "GT/c.png")
    assert listed("hide", tmp_path) == [
        FoundPair("test", "test/test-close-ups/b.png", "GT/b.png", "test-close-ups"),
        FoundPair("test", "test/test-long-shot/c.png", "GT/c.png", "test-long-shot"),
        FoundPair("train", "train/a.png", "GT/a.png"),
    ]


@pytest.fixture
def realblur(tmp_path):
    names = [
        f"{REALBLUR}/scene00{scene}/{kind}/{kind}_{number}.png"
        for scene in (1, 2)
        for kind in ("gt", "blur")
        for number in (1, 2)
    ]
    touch(tmp_path / "in", *names)
    scene = f"{REALBLUR}/scene001"
    lines = f"{scene}/gt/gt_1.png {scene}/blur/blur_1.png\n\n"
    lines += f"./{scene}/gt/gt_2.png\t{scene}/blur/blur_2.png 7\n"
    (tmp_path / "in" / "RealBlur_J_train_list.txt").write_text(lines)
    (tmp_path / "in" / "RealBlur_J_test_list.txt").write_text(
        lines.replace("scene001", "scene002").splitlines()[0]
    )
    return tmp_path / "in"


def test_realblur_takes_what_its_lists_name(realblur):
    found = listed("realblur-j", realblur)
    assert [(pair.split, pair.sequence) for pair in found] == [
        ("test", "scene002"),
        ("train", "scene001"),
        ("train", "scene001"),
    ]
    assert found[0].blur == f"{REALBLUR}/scene002/blur/blur_1.png"
    assert found[0].sharp == f"{REALBLUR}/scene002/gt/gt_1.png"
    assert not any(pair.problem for pair in found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("../gt_1.png x.png", "line 1: .*'../gt_1.png' leads out of this folder"),
        ("a.png /etc/passwd", "line 1: .*leads out of this folder"),
        ("a.png", "line 1: needs a sharp and a blurred path"),
    ],
)
def test_a_list_never_leads_out_of_its_folder(realblur, line, words):
    (realblur / "RealBlur_J_test_list.txt").write_text(line)
    with pytest.raises(UserError, match=words):
        listed("realblur-j", realblur)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_as_windows_saves_it(realblur, encoding):
    path = realblur / "RealBlur_J_test_list.txt"
    before = listed("realblur-j", realblur)
    path.write_bytes(path.read_text().replace("/", "\\").replace("\n", "\r\n").encode(encoding))
    assert listed("realblur-j", realblur) == before


def test_what_a_list_names_and_is_not_there_is_a_problem(realblur):
    scene = f"{REALBLUR}/scene002"
    (realblur / scene / "gt" / "gt_1.png").unlink()
    (problem,) = (pair.problem for pair in listed("realblur-j", realblur) if pair.problem)
    assert problem == f"{scene}/gt/gt_1.png: listed for test, but not there"


def test_a_list_of_each_variant(tmp_path):
    touch(tmp_path, "b/1.png", "b/2.png", "s/1.png", "s/2.png")
    for variant, number in (("hard", 1), ("soft", 2)):
        (tmp_path / f"test_{variant}.txt").write_text(f"s/{number}.png b/{number}.png\n")
    lists = with_layout(list_file="{split}_{variant}.txt", blur="b/{name}", sharp="s/{name}")
    recipe = lists.model_copy(update={"variants": ("hard", "soft"), "variant": "soft"})
    assert list_pairs(recipe, str(tmp_path)).pairs == [FoundPair("test", "b/2.png", "s/2.png")]


def test_a_picture_in_two_pairs_of_a_list_is_refused(realblur):
    scene = f"{REALBLUR}/scene002"
    (realblur / "RealBlur_J_test_list.txt").write_text(
        "".join(f"{scene}/gt/gt_{n}.png {scene}/blur/blur_1.png\n" for n in (1, 2))
    )
    assert "blur_1.png is in two pairs" in complaint("realblur-j", realblur)


@pytest.mark.parametrize(("blur", "sharp"), [("blur", "sharp"), ("lq", "gt"), ("input", "target")])
def test_pairs_of_any_of_the_usual_names(tmp_path, blur, sharp):
    touch(tmp_path / "a", f"{blur}/1.jpg", f"{sharp}/1.png", f"S/{blur}/1.png", f"S/{sharp}/1.png")
    assert listed("pairs", tmp_path / "a") == [
        FoundPair("test", f"S/{blur}/1.png", f"S/{sharp}/1.png", "S"),
        FoundPair("test", f"{blur}/1.jpg", f"{sharp}/1.png"),
    ]
    touch(tmp_path / "b", f"val/{blur}/1.png", f"val/{sharp}/1.png")
    touch(tmp_path / "b", f"train/S/{blur}/1.png", f"train/S/{sharp}/1.png")
    assert listed("pairs", tmp_path / "b") == [
        FoundPair("train", f"train/S/{blur}/1.png", f"train/S/{sharp}/1.png", "S"),
        FoundPair("val", f"val/{blur}/1.png", f"val/{sharp}/1.png"),
    ]


def test_what_has_no_counterpart_or_several(tmp_path):
    touch(tmp_path, "blur/1.png", "blur/2.png", "sharp/2.jpg", "sharp/2.png", "sharp/3.png")
    touch(tmp_path, "blur/4.png", "sharp/4.png")
    assert [pair.problem for pair in listed("pairs", tmp_path) if pair.problem] == [
        "sharp/3.png: no blurred counterpart",
        "blur/1.png: no sharp counterpart sharp/1.png",
        "blur/2.png: several sharp counterparts, sharp/2.jpg and sharp/2.png; keep one",
    ]


def test_other_files_are_no_pictures_of_a_set(tmp_path):
    touch(tmp_path, "blur/1.png", "sharp/1.png", "blur/.2.png", ".x/blur/1.png", "blur/1.txt")
    touch(tmp_path, "mask/1.png")
    assert listed("pairs", tmp_path) == [FoundPair("test", "blur/1.png", "sharp/1.png")]


def test_links_are_followed_and_no_folder_is_read_twice(gopro, tmp_path):
    (tmp_path / "link").symlink_to(gopro)
    whole = listed("gopro", gopro)
    assert listed("gopro", tmp_path / "link") == whole
    (gopro / "train").rename(tmp_path / "elsewhere")
    (gopro / "train").symlink_to(tmp_path / "elsewhere")
    assert listed("gopro", gopro) == whole
    (gopro / "val").symlink_to(gopro / "test")
    found = list_pairs(load_any_recipe("gopro"), str(gopro))
    assert found.pairs == whole
    assert found.notes == [
        "6 files read through links (first: train/S1/blur/000001.png)",
        "1 linked folder read already, and not read twice (first: val)",
    ]


def test_what_a_list_names_may_not_lead_out_by_a_link(tmp_path):
    touch(tmp_path / "elsewhere", "b.png")
    touch(tmp_path / "in", "s/1.png").joinpath("list.txt").write_text("s/1.png b/1.png\n")
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b" / "1.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    recipe = with_layout(split="test", blur="b/{name}", sharp="s/{name}", list_file="list.txt")
    with pytest.raises(UserError, match=r"line 1: .*the path 'b/1\.png' leads out of this folder"):
        list_pairs(recipe, str(tmp_path / "in"))


def test_nothing_found_tells_the_layout_in_one_line(tmp_path):
    touch(tmp_path, "sharp/1.png")
    assert complaint("pubfig", tmp_path).endswith(
        "holds no pair of pubfig, which is {blur,sharp}/NAME.png"
    )
    assert "no such folder" in complaint("pubfig", tmp_path / "none")


def test_pictures_of_which_none_is_in_a_pair_are_no_data_set(tmp_path):
    touch(tmp_path, "train/1.png", "train/2.png", "test/3.png")
    words = complaint("hide", tmp_path)
    assert "no pair of hide (such as train/1.png: no sharp counterpart GT/1.png), which" in words
    assert words.endswith("all with their sharp GT/NAME.png")


def test_a_sharp_picture_of_two_splits_is_refused(tmp_path):
    both = with_layout(blur="{split}/blur/{name}", sharp="sharp/{name}")
    touch(tmp_path, "train/blur/1.png", "test/blur/2.png", "sharp/1.png", "sharp/2.png")
    assert len(list_pairs(both, str(tmp_path)).pairs) == 2
    touch(tmp_path, "test/blur/1.png", "train/blur/2.png")
    words = "sharp/1.png is in pairs of train and of test; a picture goes to one split only"
    with pytest.raises(UserError, match=words):
        list_pairs(both, str(tmp_path))


def test_a_blurred_picture_that_lists_give_to_two_splits_is_refused(realblur):
    scene = f"{REALBLUR}/scene002"
    with (realblur / "RealBlur_J_train_list.txt").open("a") as file:
        file.write(f"{scene}/gt/gt_2.png {scene}/blur/blur_1.png\n")
    assert "blur_1.png is in pairs of train and of test" in complaint("realblur-j", realblur)
