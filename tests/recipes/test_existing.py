import pytest

from blurbench.errors import UserError
from blurbench.recipes.existing import pattern
from blurbench.recipes.recipe import load_any_recipe, load_recipe

PROSE = "\n".join(
    f'{name} = "x"' for name in ("title", "source", "citation", "licence", "provenance", "layout")
)
HEAD = f'kind = "existing"\nname = "own"\n{PROSE}\n'
PAIRS = '[[pairs]]\nblur = "{split}/b/{name}"\nsharp = "{split}/s/{name}"\n'


def complaint(path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_any_recipe(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_two_blurs_of_gopro_are_two_recipes_that_differ_in_nothing_else():
    one, other = (load_any_recipe(name).model_dump() for name in ("gopro", "gopro-gamma"))
    different = {key for key in one if one[key] != other[key]}
    assert different == {"name", "title", "variant"}
    assert [load_any_recipe(name).variant for name in ("gopro", "gopro-gamma")] == [
        "blur",
        "blur_gamma",
    ]


def test_expected_counts_are_those_of_the_papers():
    expected = {
        name: load_any_recipe(name).expected for name in ("gopro", "hide", "realblur-j", "pubfig")
    }
    assert expected == {
        "gopro": {"train": 2103, "test": 1111},
        "hide": {"train": 6397, "test": 2025},
        "realblur-j": {"train": 3758, "test": 980},
        "pubfig": {"test": 192},
    }


def test_what_a_pattern_fits():
    frames = pattern("{split}/{sequence}/blur/{name}")
    match = frames.fullmatch("train/GOPR0372_07_00/blur/000047")
    assert match
    assert match.groupdict() == {
        "split": "train",
        "sequence": "GOPR0372_07_00",
        "name": "000047",
    }
    assert not frames.fullmatch("all/GOPR0372_07_00/blur/000047")
    assert not frames.fullmatch("train/a/b/blur/000047")
    assert pattern("{name}/{name}_x").fullmatch("a.b/a.b_x")
    assert not pattern("{name}/{name}_x").fullmatch("a/b_x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "lacks the field pairs"),
        (HEAD + PAIRS + "x = 1\n", "pairs.0.x: unknown field; allowed here: blur, sharp, split"),
        (HEAD + "x = 1\n" + PAIRS, "x: unknown field; allowed here: kind, name, title"),
        (HEAD + PAIRS.replace("s/{name}", "s/{nam}"), "has the field {nam}, which blur has not"),
        (HEAD + PAIRS + 'split = "test"\n', "either a split, or {split}"),
        (HEAD + PAIRS.replace("{split}/", ""), "either a split, or {split}"),
        (HEAD + PAIRS.replace("s/{name}", "s/{name"), "pairs.0.sharp: braces are for fields"),
        (HEAD + PAIRS.replace("s/{name}", "s/{}"), "pairs.0.sharp: braces are for fields"),
        (HEAD + PAIRS.replace("s/{name}", "s/{name!r}"), "pairs.0.sharp: braces are for fields"),
        (HEAD + PAIRS.replace("{name}", "{name.__class__}"), "pairs.0.blur: braces are for"),
        (HEAD + PAIRS.replace("{name}", "{1}"), "pairs.0.blur: braces are for fields"),
        (HEAD + PAIRS.replace("{name}", "{²}"), "pairs.0.blur: braces are for fields"),
        (HEAD + PAIRS + 'list_file = "l_{split}_{}.txt"\n', "pairs.0.list_file: braces are for"),
        (
            HEAD + PAIRS + 'list_file = "l_{split}_{foo}.txt"\n',
            "list_file has the field {foo}; it takes {split} and {variant}",
        ),
        (HEAD + 'variants = ["{a"]\nvariant = "{a"\n' + PAIRS, "variants.0: "),
        (HEAD + 'variants = ["a", "b"]\n' + PAIRS, "variant: must be one of a, b"),
        (HEAD + 'variants = ["a"]\nvariant = "c"\n' + PAIRS, "variant: must be one of a (is 'c')"),
        (HEAD + PAIRS + "[expected]\ntrian = 1\n", "expected.trian"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, text, words):
    assert words in complaint(tmp_path / "own.toml", text)


def test_a_recipe_without_a_blur_is_no_recipe_for_blurring():
    with pytest.raises(UserError, match="blurbench synthesize hide --source DIR --out INDEX"):
        load_recipe("hide")
