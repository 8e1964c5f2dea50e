"""What is peculiar of picture files is told once when folders of them are scored or restored."""

import numpy as np
import odd_pictures
import tiny_data

from blurbench.datasets.index import index
from blurbench.datasets.make import synthesize
from blurbench.recipes.recipe import load_any_recipe
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, Identity
from blurbench.sources.open import open_for

PICTURE = tiny_data.picture(0, 60, 72)


def test_of_photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.png").write_bytes(odd_pictures.saved(PICTURE, "PNG", "RGBA"))
    (folder / "b.png").write_bytes(odd_pictures.saved(PICTURE, "PNG"))
    done = evaluate(
        open_data(folder), tmp_path / "out", restore=Identity(), name="a", metrics=["blur-effect"]
    )
    assert done.notes == ["1 picture with an alpha channel, which is left out (first: a.png)"]


def test_of_pairs_of_an_index_of_which_either_file_may_be_meant(tmp_path):
    for kind, mode in (("blur", "RGB"), ("sharp", "RGBA")):
        folder = tmp_path / "pairs" / "test" / kind
        folder.mkdir(parents=True)
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(odd_pictures.saved(PICTURE, "PNG", mode))
    index(load_any_recipe("pairs"), str(tmp_path / "pairs"), tmp_path / "data")
    data = open_data(tmp_path / "data")
    done = evaluate(data, tmp_path / "out", restore=Identity(), name="a")
    first = "test/blur/a.png and test/sharp/a.png"
    assert done.notes[0] == f"2 pairs with an alpha channel, which is left out (first: {first})"


def test_of_restored_pictures(tmp_path):
    source, restored = tmp_path / "in", tmp_path / "restored"
    for folder in (source, restored):
        folder.mkdir()
    (source / "a.png").write_bytes(odd_pictures.saved(PICTURE, "PNG"))
    recipe = tiny_data.flow_recipe(
        blur={"family": "line", "length": [3.0, 3.0]},
        crop={},
        replicas={},
        splits={"train": 0.0, "val": 0.0, "test": 1.0},
    )
    synthesize(recipe, open_for(recipe, str(source)), tmp_path / "data")
    deep = odd_pictures.deep(PICTURE.astype(np.uint16) * 257)
    data = open_data(tmp_path / "data")
    name = f"{data.rows[0]['id']}.png"
    (restored / name).write_bytes(deep)
    done = evaluate(data, tmp_path / "out", restore=FolderRestorer(restored), name="a")
    assert done.notes[0] == f"1 picture with 16 bits, cut to 8 (first: {name})"


def test_pictures_without_any_error_which_lift_a_mean(tmp_path):
    recipe = tiny_data.flow_recipe(identity=1.0, splits={"train": 0.0, "val": 0.0, "test": 1.0})
    source = open_for(recipe, str(tiny_data.write_photos(tmp_path / "in", 1)))
    synthesize(recipe, source, tmp_path / "data")
    data = open_data(tmp_path / "data")
    done = evaluate(data, tmp_path / "out", restore=Identity(), name="a")
    first = min(row["id"] for row in data.rows)
    assert done.notes == [
        f"1 picture restored without any error, 100 dB each in the mean (first: {first})"
    ]
