"""A recipe that mixes recipes: its pairs are theirs, and what does not fit is refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_data

from blurbench.blurs.registry import Mixture
from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.datasets.mean_kernel import mean_kernel
from blurbench.datasets.pair import make_pair
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl
from blurbench.images import encode
from blurbench.recipes.mixing import on_record
from blurbench.recipes.recipe import Recipe, load_recipe, parse_recipe
from blurbench.sources.open import open_for, open_source
from blurbench_kernels.convolution import convolve

HEAD = """
title = "t"
source = "s"
citation = "c"
licence = "l"
provenance = "p"
"""
FLOW = f"""name = "flow"
{HEAD}
[blur]
family = "motion_flow"
preset = "mild"
severity = [0.1, 0.5]
[crop]
borders = true
"""
SHAKE = f"""name = "shake"
{HEAD}
[blur]
family = "mixture"
weights = [0.25, 0.75]
[[blur.parts]]
family = "line"
length = [3.0, 9.0]
angle = [0.0, 180.0]
[[blur.parts]]
family = "gaussian"
sigma = [1.0, 2.0]
[sensor]
shot_noise = 1e-3
jpeg = [60, 90]
"""
BOTH = f"""name = "both"
{HEAD}
replicas = {{ train = 4 }}
splits = {{ train = 0.5, val = 0.25, test = 0.25 }}
[[mix]]
recipe = "flow.toml"
weight = 0.6
[[mix]]
recipe = "shake.toml"
"""


def written(folder: Path, text: str = BOTH, **others: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, recipe in {"flow": FLOW, "shake": SHAKE, **others}.items():
        (folder / f"{name}.toml").write_text(recipe)
    (folder / "both.toml").write_text(text)
    return folder / "both.toml"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load_recipe(written(tmp_path_factory.mktemp("recipes")))


@pytest.fixture(scope="module")
def made(recipe: Recipe, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mixed") / "set"
    synthesize(recipe, open_source(str(photos)), out)
    return out


def rows(out: Path) -> dict[str, dict[str, Any]]:
    splits = read_json(out / "dataset.json")["counts"]
    return {
        row["id"]: row for split in splits for row in read_jsonl(out / split / "metadata.jsonl")
    }


def test_each_pair_is_the_one_of_the_recipe_that_was_drawn(
    recipe: Recipe, made: Path, photos: Path, tmp_path: Path
) -> None:
    found = rows(made)
    assert Counter(row["recipe"] for row in found.values()).keys() == {"flow", "shake"}
    for part in recipe.each:
        alone = part.model_copy(update={"replicas": recipe.replicas, "splits": recipe.splits})
        synthesize(alone, open_source(str(photos)), tmp_path / part.name)
        theirs = rows(tmp_path / part.name)
        for id, row in found.items():
            if row["recipe"] == part.name:
                assert {k: v for k, v in row.items() if k != "recipe"} == theirs[id]


def test_recipes_are_drawn_as_often_as_their_weights(recipe: Recipe) -> None:
    places = [n / 1000 for n in range(1000)]
    counts = Counter(recipe.drawn(place).name for place in places)
    assert counts == {"flow": 600, "shake": 400}
    assert recipe.drawn(1 - 2**-53).name == "shake"


@pytest.mark.slow
def test_one_digest_for_workers_and_shards(
    recipe: Recipe, made: Path, photos: Path, tmp_path: Path
) -> None:
    digest = read_json(made / "dataset.json")["digest"]
    source = open_source(str(photos))
    two = synthesize(recipe, source, tmp_path / "two", workers=Workers(2), shard_size=3)
    assert two.digest == digest
    assert verify(made) == []


def test_one_digest_for_a_set_that_was_killed(
    recipe: Recipe, made: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, done = open_source(str(photos)), []

    def killed(*given: Any) -> Any:
        done.append(given)
        if len(done) == 8:
            raise KeyboardInterrupt
        return make_pair(*given)

    monkeypatch.setattr("blurbench.datasets.make.make_pair", killed)
    with pytest.raises(KeyboardInterrupt):
        synthesize(recipe, source, tmp_path / "set", shard_size=3)
    assert not (tmp_path / "set" / "dataset.json").exists()
    monkeypatch.undo()
    digest = read_json(made / "dataset.json")["digest"]
    assert synthesize(recipe, source, tmp_path / "set", shard_size=3).digest == digest


def test_what_is_on_record_says_what_was_mixed(recipe: Recipe, made: Path) -> None:
    told = read_json(made / "dataset.json")["recipe"]
    assert [(each["recipe"], each["weight"]) for each in told["mix"]] == [
        ("flow", 0.6),
        ("shake", 0.4),
    ]
    assert told["mix"][1]["pixels"]["sensor"]["jpeg"] == [60, 90]
    assert "title" not in told["mix"][0]["pixels"]
    with pytest.raises(UserError, match="what was mixed is on record here"):
        parse_recipe(told, "dataset.json")
    assert isinstance(recipe.blur, Mixture)
    assert recipe.blur.weights == pytest.approx((0.6, 0.1, 0.3))
    # One of any other numbers is another recipe; one without a mixture says nothing of it.
    assert "mix" not in json.loads(load_recipe("demo").model_dump_json())


def test_the_kernel_of_each_pair_is_that_of_the_recipe_that_was_drawn(
    photos: Path, tmp_path: Path
) -> None:
    # Without noise, and rounded alone, a kernel tells itself from all others.
    quiet = SHAKE[: SHAKE.index("[sensor]")]
    disks = quiet.replace("shake", "disks").replace("[1.0, 2.0]", "[3.0, 4.0]")
    mixing = BOTH.replace("flow.toml", "disks.toml")
    recipe = load_recipe(written(tmp_path / "recipes", mixing, shake=quiet, disks=disks))
    synthesize(recipe, open_source(str(photos)), tmp_path / "set")
    kept = on_record(read_json(tmp_path / "set" / "dataset.json")["recipe"], "dataset.json")
    assert kept == {part.name: part for part in recipe.each}
    data = BlurDataset(tmp_path / "set", "train")
    assert {row["recipe"] for row in data.rows} == {"disks", "shake"}
    for row in data.rows:
        kernel = mean_kernel(kept[row["recipe"]], row)
        reach = max(kernel.shape) // 2
        inside = np.s_[reach:-reach, reach:-reach]
        again = convolve(data.picture(row, "sharp").astype(float), kernel)
        difference = again[inside] - data.picture(row, "blur")[inside]
        assert np.abs(difference).max() <= 0.5 + 1e-6


def test_what_is_on_record_of_one_recipe_is_itself() -> None:
    flow = load_recipe("demo")
    assert on_record(flow.model_dump(mode="json"), "dataset.json") == {"demo": flow}


def test_on_the_fly_they_are_the_same_pairs(recipe: Recipe, made: Path, photos: Path) -> None:
    flying = OnTheFlyDataset(recipe, open_source(str(photos)), "train")
    stored = BlurDataset(made, "train")
    for row in list(stored.rows)[:6]:
        at = next(n for n, item in enumerate(flying.items) if item.id == row["source_id"])
        pair = flying.pair(at, row["replica"])
        assert (pair.blur == stored.picture(row, "blur")).all()


@pytest.mark.parametrize(
    ("text", "others", "told"),
    [
        (f"{BOTH}\n[crop]\nborders = true", {}, "crop: leave it out"),
        (BOTH.replace("0.6", "1.5"), {}, "a share lies above 0, up to 1 \\(is 1.5\\)"),
        (BOTH.replace('"shake.toml"', '"shake.toml"\nweight = 0.5'), {}, "add up to 1"),
        (BOTH.replace('"shake.toml"', '"nothing.toml"'), {}, "nothing.toml: no such recipe"),
        (BOTH.replace('"shake.toml"', '"both.toml"'), {}, "both.toml mixes recipes itself"),
        (BOTH.replace('"shake.toml"', '"gopro"'), {}, "gopro blurs nothing"),
        (BOTH.replace('"shake.toml"', '"flow.toml"'), {}, "two recipes have one name"),
        (BOTH.replace('"shake.toml"', '"demo-faces"'), {}, 'needs mask; add it'),
        (BOTH, {"shake": f'{SHAKE}\n[region]\nkind = "box"\nside = 32'}, "where the blur is"),
        (BOTH, {"shake": SHAKE.replace("[sensor]", "[sensor]\ndepth = 16")}, "keeps 16 bits"),
        (BOTH.replace("recipe = ", "recipes = "), {}, "mix.0.recipes: unknown field"),
        (BOTH[: BOTH.rindex("[[mix]]")], {}, "mix: .*at least 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, text: str, others: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError, match=told) as found:
        load_recipe(written(tmp_path / "recipes", text, **others))
    assert "\n" not in str(found.value)


LAYERS = f"""name = "layers"
{HEAD}
labels = ["mask"]
[objects]
background = ["bed"]
[blur]
family = "layers"
[blur.background]
family = "motion_flow"
preset = "mild"
target = {{ bins = [[2.0, 4.0]] }}
[blur.objects]
family = "motion_flow"
preset = "mild"
target = {{ bins = [[2.0, 4.0]] }}
"""
WITH_LAYERS = BOTH.replace("flow.toml", "layers.toml").replace(
    "licence", 'labels = ["mask"]\nlicence'
)


def test_beside_layers_a_whole_picture_is_one_layer(tmp_path: Path) -> None:
    faces = tiny_data.write_faces(tmp_path / "faces", 6)
    labels = np.zeros((60, 72), np.uint8)
    labels[16:24, 20:40], labels[24:44, 20:40] = 17, 1  # hair above skin, where noise was
    for file in faces.glob("train/masks/*.png"):
        file.write_bytes(encode(labels))
    recipe = load_recipe(written(tmp_path / "recipes", WITH_LAYERS, layers=LAYERS))
    assert recipe.objects
    assert recipe.objects.background == ("bed",)
    synthesize(recipe, open_for(recipe, str(faces)), tmp_path / "set")
    found = rows(tmp_path / "set")
    assert len({tuple(row) for row in found.values()}) == 1  # columns
    assert {row["recipe"] for row in found.values()} == {"layers", "shake"}
    dataset = BlurDataset(tmp_path / "set", "train")
    for row in dataset.rows:
        mask, whole = dataset.picture(row, "mask"), row["recipe"] == "shake"
        assert (row["moved"] == "picture") == whole == (mask.max() == 0)
        assert len(row["layer_severity_max_px"]) == (1 if whole else 1 + len(row["boxes"]))
        assert (row["boxes"] == [[0, 0, 0, 0]]) == whole
    assert verify(tmp_path / "set") == []


def test_recipes_that_cut_otherwise_are_refused(tmp_path: Path) -> None:
    text = WITH_LAYERS.replace("shake.toml", "other.toml")
    other = LAYERS.replace('"layers"\n\n', '"other"\n\n').replace('["bed"]', "[]")
    with pytest.raises(UserError, match="layers and other differ in what an object is"):
        load_recipe(written(tmp_path / "recipes", text, layers=LAYERS, other=other))


def test_the_shared_source_is_that_of_the_mixing_recipe(tmp_path: Path) -> None:
    """Labels that it asks for are on every pair."""
    faces = tiny_data.write_faces(tmp_path / "faces", 4)
    path = written(
        tmp_path / "recipes", BOTH.replace('title = "t"', 'title = "t"\nlabels = ["mask"]')
    )
    synthesize(load_recipe(path), open_source(str(faces), masks=True), tmp_path / "set")
    assert all("mask_file_name" in row for row in rows(tmp_path / "set").values())
