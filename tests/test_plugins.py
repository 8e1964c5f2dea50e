"""Packages of others: nothing is loaded before it is named, and a fault costs one line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_data

from blurbench.__main__ import run
from blurbench.blurs.registry import PLUG_INS as FAMILIES
from blurbench.datasets.dataset import OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.files import read_json
from blurbench.metrics import PLUG_INS as METRICS
from blurbench.metrics import compute, find_metric
from blurbench.models import PLUG_INS as MODELS
from blurbench.runs.load import load_run
from blurbench.sources.open import Sharp, open_source

COPY = """
from blurbench.metrics import Metric
COPY = Metric("blurbench.metrics.distortion:psnr", "Copy", True, "dB")
"""
FOG = """
from typing import Literal
from blurbench.blurs.base import Blurred, Family
class Fog(Family):
    family: Literal["fog"]
    grey: int = 128
    def blur(self, scene):
        return Blurred(scene.image // 2 + self.grey // 2, (0, 0), {}, (1.0, 1.0), self.family)
"""


def told(table, name):
    with pytest.raises(UserError) as error:
        table.load(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_package_is_named_with_its_version_and_ours_are_not(install):
    install("copies", "blurbench.metrics", "copy = copies:COPY", COPY, version="1.2")
    assert METRICS.names() == ["copy"]
    assert METRICS.origins(["psnr", "copy", "nowhere"]) == {"copy": "copies 1.2"}
    assert find_metric("copy").title == "Copy"
    assert find_metric("copy") is find_metric("copy")
    assert METRICS.refused() == []


def test_what_cannot_be_imported_is_told_when_it_is_named_and_harms_nothing_else(install):
    install("torn", "blurbench.metrics", "torn = torn:COPY", "import no_such\nmodule = 1")
    install("quits", "blurbench.metrics", "quits = quits:COPY", "import sys; sys.exit('bye\\nbye')")
    install("copies", "blurbench.metrics", "copy = copies:COPY", COPY)
    assert METRICS.names() == ["copy", "quits", "torn"]
    text = told(METRICS, "torn")
    assert text.startswith("metric 'torn' of torn 1 (torn:COPY): ModuleNotFoundError: No module")
    assert text.endswith("; mend or uninstall the package")
    assert "SystemExit: bye bye" in told(METRICS, "quits")
    assert find_metric("copy").unit == "dB"


def test_a_name_that_is_missing_in_the_module_is_told(install):
    install("fogs", "blurbench.kernels", "fog = fogs:Smog", FOG)
    text = told(FAMILIES, "fog")
    assert text.startswith("blur family 'fog' of fogs 1 (fogs:Smog): AttributeError")
    with pytest.raises(UserError, match=r"^tiny.toml: blur.family: blur family 'fog' of fogs 1 "):
        tiny_data.flow_recipe(blur={"family": "fog"})


def test_a_name_of_ours_stays_ours(install):
    ours = find_metric("psnr")
    install("shadow", "blurbench.metrics", "psnr = shadow:COPY", COPY)
    assert find_metric("psnr") is ours
    assert METRICS.names() == []
    assert METRICS.origin("psnr") is None
    (line,) = METRICS.refused()
    assert line.startswith("metric 'psnr' of shadow 1 (shadow:COPY): not used, for blurbench has")
    assert line.endswith("rename the entry point")


def test_two_packages_of_one_name_are_both_named_and_neither_is_taken(install):
    for name, version in (("ones", "1"), ("twos", "2.1")):
        install(name, "blurbench.metrics", f"copy = {name}:COPY", COPY, version=version)
    text = told(METRICS, "copy")
    assert text.startswith("metric 'copy': added by ")
    assert {"ones 1", "twos 2.1"} == set(text.split("added by ")[1].split(";")[0].split(" and "))


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("Fog = 'fog'", "is no subclass of blurbench.blurs.base.Family"),
        (FOG.replace("def blur", "def blurred"), "has no method blur"),
        (FOG.replace('Literal["fog"]', "str"), "must state family: Literal['fog']"),
    ],
)
def test_what_is_no_family_is_told(install, code, wrong):
    install("fogs", "blurbench.kernels", "fog = fogs:Fog", code)
    assert f"(fogs:Fog): {wrong}; " in told(FAMILIES, "fog")


def test_a_fault_is_told_by_the_line_of_the_package(install, data_set, tmp_path):
    install("torn", "blurbench.metrics", "torn = torn:COPY", "\n\nimport no_such")
    assert "(torn.py:3)" in told(METRICS, "torn")
    code = COPY.replace("blurbench.metrics.distortion:psnr", "bad:score")
    code += "def score(*_, **options):\n    return 1 / 0\n"
    install("bad", "blurbench.metrics", "bad = bad:COPY", code)
    words = ["--identity", "--metrics", "bad", "--out", str(tmp_path / "r")]
    assert run(["evaluate", "--data", str(data_set), *words]) == 1
    assert "(bad.py:5)" in (tmp_path / "r" / "failures.jsonl").read_text()


def test_a_family_that_changes_the_size_makes_no_pair(install):
    code = FOG.replace("scene.image //", "scene.image[1:] //")
    install("fogs", "blurbench.kernels", "fog = fogs:Fog", code)
    recipe = tiny_data.flow_recipe(blur={"family": "fog"}, crop__borders=False)
    sharp = Sharp(np.zeros((40, 40, 3), np.uint8), None, "")
    with pytest.raises(UserError, match=r"^a: family fog gives \(39, 40, 3\) for a picture of"):
        make_pair(recipe, 0, "a", "train", 0, sharp)


def test_a_metric_that_gives_no_number_is_told(install, data_set, tmp_path, capsys):
    code = COPY.replace("blurbench.metrics.distortion:psnr", "nothing:score")
    code += "def score(*_, **options):\n    return float('nan')\n"
    install("nothing", "blurbench.metrics", "nothing = nothing:COPY", code)
    words = ["--identity", "--metrics", "psnr,nothing", "--out", str(tmp_path / "r")]
    assert run(["evaluate", "--data", str(data_set), *words]) == 0
    assert "nothing applies to none of these pictures" in capsys.readouterr().out


def test_what_is_no_metric_is_told(install):
    install("copies", "blurbench.metrics", "copy = copies:COPY", "def COPY(): pass")
    assert "(copies:COPY): is no blurbench.metrics.Metric; " in told(METRICS, "copy")


def test_an_unknown_name_is_told_with_the_known_ones(install):
    install("torn", "blurbench.models", "torn = torn:Net", "import no_such")
    shown = "unknown model 'unat' (did you mean unet?); known: mprnet, "
    assert told(MODELS, "unat").startswith(shown)
    assert told(MODELS, "unat").endswith(", torn")
    with pytest.raises(UserError, match="unknown metric 'pnsr'"):
        compute("pnsr", None, None)


def test_fields_of_a_family_are_checked_like_ours(install):
    install("fogs", "blurbench.kernels", "fog = fogs:Fog", FOG)
    assert tiny_data.flow_recipe(blur={"family": "fog", "grey": 7}).blur.grey == 7
    mixed = {"family": "mixture", "parts": [{"family": "fog"}]}
    assert tiny_data.flow_recipe(blur=mixed).blur.parts[0].grey == 128
    for blur, words in (
        ({"family": "fog", "gray": 7}, "blur.gray: unknown field; allowed here: family, grey"),
        ({"family": "fog", "grey": "7"}, "blur.grey: should be a valid integer"),
        ({"family": "fig"}, "blur.family: must be one of motion_flow"),
    ):
        with pytest.raises(UserError, match=words):
            tiny_data.flow_recipe(blur=blur)


def test_nothing_is_loaded_before_it_is_named(tmp_path):
    (tmp_path / "loud.py").write_text("raise SystemExit('loaded')")
    info = tmp_path / "loud-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    groups = ("kernels", "models", "metrics")
    entries = "\n".join(f"[blurbench.{group}]\nloud = loud:Loud" for group in groups)
    (info / "entry_points.txt").write_text(entries)
    code = (
        "from blurbench.recipes.recipe import load_recipe; load_recipe('demo')\n"
        "from blurbench.metrics import find_metric; find_metric('psnr')\n"
        "import blurbench.models"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    folder = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, check=False)
    assert done.returncode == 0


@pytest.fixture
def fog(install, photos):
    """Make a data set of fog by a version of its package; gives its dataset.json."""

    def make(version, out):
        install("fogs", "blurbench.kernels", "fog = fogs:Fog", FOG, version=version)
        recipe = tiny_data.flow_recipe(blur={"family": "fog"}, crop__borders=False)
        synthesize(recipe, open_source(str(photos)), out, limit=2)
        return read_json(out / "dataset.json")

    return make


def test_a_data_set_begun_with_another_version_is_not_continued(fog, whole, tmp_path):
    made = fog("1.0", tmp_path / "set")
    assert made["plugins"] == {"fog": "fogs 1.0"}
    assert made["made_with"]["fogs"] == "1.0"
    with pytest.raises(UserError, match=r"was made with fog of fogs 1.0, not of fogs 1.1; give an"):
        fog("1.1", tmp_path / "set")
    assert fog("1.0", tmp_path / "set") == made
    ours = read_json(whole.out / "dataset.json")
    assert "plugins" not in ours
    assert ours["made_with"].keys() == made["made_with"].keys() - {"fogs"}


def test_pairs_blurred_on_the_fly_are_others_by_another_version(install, photos):
    digests = []
    for version in ("1", "1", "2"):
        install("fogs", "blurbench.kernels", "fog = fogs:Fog", FOG, version=version)
        recipe = tiny_data.flow_recipe(blur={"family": "fog"})
        digests.append(OnTheFlyDataset(recipe, open_source(str(photos)), "train").digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_run_begun_with_another_version_is_not_continued(
    install, make_data_set, tmp_path, monkeypatch
):
    code = "from blurbench.models.unet import UNet\nclass Mine(UNet): pass\n"
    data = make_data_set(tmp_path / "data", split="train")

    def train(version):
        install("nets", "blurbench.models", "mine = nets:Mine", code, version=version)
        small = ["--set", "widths=4,8", "--set", "blocks=1,1", "--set", "crop_size=16"]
        words = ["--model", "mine", "--preset", "tiny", "--steps", "1", "--resume", *small]
        return run(["train", "--data", str(data), "--out", str(tmp_path / "run"), *words])

    assert train("1") == 0
    assert read_json(tmp_path / "run" / "config.json")["package"] == "nets 1"
    assert load_run(tmp_path / "run").provenance["package"] == "nets 1"
    with monkeypatch.context() as gone:
        gone.setattr("blurbench.plugins.entry_points", lambda **_: [])
        with pytest.raises(UserError, match="its model mine is of nets 1, which is not installed"):
            load_run(tmp_path / "run")
    assert train("2") == 2
    assert train("1") == 0


@pytest.fixture
def scored(install, data_set, tmp_path):
    """Score a data set by PSNR and by its copy of a version; gives the exit code."""

    def evaluate(version, name="a"):
        install("copies", "blurbench.metrics", "copy = copies:COPY", COPY, version=version)
        words = ["--identity", "--name", name, "--metrics", "psnr,copy"]
        return run(["evaluate", "--data", str(data_set), "--out", str(tmp_path / name), *words])

    return evaluate


def test_a_model_that_fails_in_training_is_named(install, make_data_set, tmp_path, capsys):
    code = (
        "from blurbench.models.unet import UNet\n"
        "class Worse(UNet):\n"
        "    def loss(self, batch): return [][len(batch)]\n"
    )
    data = make_data_set(tmp_path / "data", split="train")
    install("nets", "blurbench.models", "worse = nets:Worse", code)
    words = ["--preset", "tiny", "--steps", "1", "--set", "crop_size=16", "--device", "cpu"]
    words += ["--data", str(data), "--out", str(tmp_path / "run")]
    assert run(["train", "--model", "worse", *words]) == 2
    told = "blurbench: model 'worse' of nets 1: IndexError: list index out of range (nets.py:3);"
    assert capsys.readouterr().err.splitlines()[-1].startswith(told)


def test_a_result_begun_with_another_version_is_not_continued(scored, tmp_path, capsys):
    assert scored("1") == 0
    assert read_json(tmp_path / "a" / "summary.json")["plugins"] == {"copy": "copies 1"}
    assert scored("2") == 2
    assert "another plugins" in capsys.readouterr().err
    assert scored("1") == 0


def test_a_board_takes_no_two_versions_of_a_metric(scored, tmp_path, capsys):
    assert scored("1", "a") == scored("2", "b") == 0
    folders = [str(tmp_path / name) for name in "ab"]
    assert run(["leaderboard", *folders, "--out", str(tmp_path / "board")]) == 2
    assert "were scored by copy of copies 1 and of copies 2; " in capsys.readouterr().err


def test_a_result_of_a_package_that_is_gone_names_it(scored, monkeypatch, tmp_path, capsys):
    assert scored("1") == 0
    monkeypatch.setattr("blurbench.plugins.entry_points", lambda **_: [])
    assert run(["leaderboard", str(tmp_path / "a"), "--out", str(tmp_path / "board")]) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path / 'a'}: its metric copy is of copies 1, not installed here" in told


def test_a_board_keeps_the_columns_of_a_plug_in_when_it_is_joined(scored, tmp_path):
    assert scored("1", "a") == scored("1", "b") == 0
    first, both = tmp_path / "first", tmp_path / "both"
    assert run(["leaderboard", str(tmp_path / "a"), "--out", str(first)]) == 0
    quoted = str(first / "leaderboard.csv")
    assert run(["leaderboard", str(tmp_path / "b"), quoted, "--out", str(both)]) == 0
    with (both / "leaderboard.csv").open(newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"a", "b"}
    assert rows["a"]["copy_mean"] == rows["b"]["copy_mean"] == rows["a"]["psnr_mean"] != ""
