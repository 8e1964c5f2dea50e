import subprocess
import sys

import pytest
import tiny_data
from pydantic import ValidationError

from blurbench.errors import UserError
from blurbench.recipes.recipe import load_any_recipe, load_recipe, parse_recipe, recipe_names


def complaint(**changes) -> str:
    named = {path.replace("__", "."): value for path, value in changes.items()}
    with pytest.raises(UserError) as error:
        parse_recipe(tiny_data.document(tiny_data.FLOW, named), "demo.toml")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_shipped_recipe_loads_under_the_name_of_its_file():
    assert {"demo", "lesssev-blurdata", "sev-blurdata", "umsn-faces"} <= set(recipe_names())
    for name in recipe_names():
        assert load_any_recipe(name).name == name


def test_paper_recipes_say_what_the_papers_say():
    severe, less = load_recipe("sev-blurdata"), load_recipe("lesssev-blurdata")
    assert (severe.blur.severity, less.blur.severity) == ((0.5, 1.0), (0.2, 0.5))
    for recipe in (severe, less):
        assert (recipe.blur.preset, recipe.blur.mode) == ("strong", "compat")
        assert recipe.blur.severity_reading == "magnitude"
        assert recipe.crop.borders
        assert recipe.noise.sigma == 0
    faces = load_recipe("umsn-faces")
    assert faces.blur.sizes == tuple(range(13, 30, 2))
    assert faces.blur.fill
    assert faces.prepare.resize == (175, 175)
    assert (faces.crop.center, faces.noise.sigma, faces.replicas.train) == (128, 0.03, 63)
    assert faces.masks


def test_a_recipe_can_be_a_path(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ntitle = ""\nsource = ""\ncitation = ""\nlicence = ""\nprovenance = ""\n'
        '[blur]\nfamily = "motion_flow"\npreset = "mild"\n'
    )
    assert load_recipe(path).name == load_recipe(str(path)).name == "own"


def test_recipes_are_frozen_and_equal_pixels_ignore_prose():
    recipe = tiny_data.flow_recipe()
    with pytest.raises(ValidationError):
        recipe.name = "other"
    assert recipe.pixels() == tiny_data.flow_recipe(title="another title").pixels()
    assert recipe.pixels() != tiny_data.flow_recipe(noise__sigma=0.1).pixels()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blur__severity": [2, 3]}, ["demo.toml: blur.severity.0:", "less than or equal to 1"]),
        ({"blur__severity": [0.5, 0.2]}, ["blur.severity:", "lower end"]),
        ({"blur__sevrity": 1}, ["blur.sevrity: unknown field", "severity_reading"]),
        ({"crop__centre": 1}, ["crop.centre: unknown field", "borders, center"]),
        ({"crop__center": 31}, ["crop.center:", "greater than or equal to 32"]),
        ({"color": 1}, ["color: unknown field", "provenance"]),
        ({"blur__family": "fog"}, ["blur.family:", "motion_flow, trajectory"]),
        ({"blur": {}}, ["blur.family:", "motion_flow, trajectory"]),
        ({"blur__preset": "wild"}, ["blur.preset:", "'strong' or 'mild'"]),
        ({"noise__sigma": float("nan")}, ["noise.sigma:", "finite"]),
        ({"noise__sigma": "0.1"}, ["noise.sigma:", "number"]),
        ({"noise__sigma": -0.1}, ["noise.sigma:", "greater than or equal to 0"]),
        ({"replicas__train": True}, ["replicas.train:", "integer"]),
        ({"replicas__val": 0}, ["replicas.val:", "greater than or equal to 1"]),
        ({"splits__train": 0.6}, ["splits:", "add up to 1"]),
        ({"name": "My Data"}, ["name:", "pattern"]),
        ({"labels": ["depth"]}, ["labels.0:", "mask"]),
        ({"prepare__resize": [175]}, ["lacks the field prepare.resize.1"]),
    ],
)
def test_one_line_names_file_field_and_what_is_allowed(changes, words):
    text = complaint(**changes)
    assert all(word in text for word in words), text


def test_even_kernel_sizes_are_refused():
    with pytest.raises(UserError, match=r"blur.sizes: kernel sizes must be odd, not 12"):
        tiny_data.face_recipe(blur__sizes=[11, 12])


def test_all_problems_are_told_at_once():
    assert complaint(name="1", noise__sigma=2, title=3).count("; ") == 2


def test_unknown_names_list_the_known_and_bad_files_are_told(tmp_path):
    with pytest.raises(UserError, match=r"no such recipe.*demo.*umsn-faces"):
        load_recipe("no-such-recipe")
    (tmp_path / "x.toml").write_text("this is not toml = = =")
    with pytest.raises(UserError, match=r"x.toml: not a TOML file"):
        load_recipe(tmp_path / "x.toml")
    (tmp_path / "y.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"y.toml: not a TOML file"):
        load_recipe(tmp_path / "y.toml")


def test_reading_recipes_imports_nothing_heavy():
    heavy = "{'torch', 'numba', 'cv2', 'pandas', 'scipy', 'matplotlib'}"
    code = (
        "import sys; from blurbench.recipes.recipe import load_recipe; load_recipe('demo');"
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
