"""What `blurbench list` shows people and programs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blurbench.__main__ import run
from blurbench.commands.list import KINDS, as_text, grouped, listing
from blurbench.errors import UserError
from blurbench.metrics import METRICS
from blurbench.models import MODELS, model_class
from blurbench.models.base import Model
from blurbench.ranking.printed import tables
from blurbench.reproduce.studies.registry import STUDIES

MODEL = {
    "name": "sp",
    "preset": "paper",
    "params": 22_837_571,
    "gmacs_256": 217.571,
    "presets": ["paper", *(f"paper-with-a-long-name-{number}" for number in range(9))],
    "tables": ["sp-1", "sp-2", "umsn-text"],
    "licence": "no public code; written from the paper, and some more words to fill a line with",
    "paper": "Somebody, Something, Somewhere",
}


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["list", *arguments]) == 0
    return capsys.readouterr().out


def test_tables_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(listed(capsys, "tables", "--json"))
    assert [row["name"] for row in found] == list(tables())
    assert found[-1] == {
        "name": "brmr-text",
        "paper": "BRMR",
        "printed_as": "section 4",
        "caption": "Finding the blurred square of a still; rounds of mining and refining",
        "values": 2,
        "metrics": ["region-iou", "iterations"],
    }
    # A dash in the paper is no value: one of the 120 cells.
    assert found[2]["values"] == 119


def test_tables_need_nothing_heavy() -> None:
    code = (
        "import sys; from blurbench.__main__ import run; run(['list', 'tables']);"
        "bad = {'torch', 'numba', 'numpy', 'cv2', 'pandas', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_studies_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(listed(capsys, "studies", "--json"))
    assert [row["name"] for row in found] == list(STUDIES)
    assert found[0]["primary"] == "umsn - bn"
    assert (found[0]["seeds"], found[0]["runs"]) == (3, 21)


@pytest.mark.parametrize("what", ["tables", "recipes", "families", "protocols"])
def test_text_fits_a_hundred_columns_and_loses_no_word(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    written = listed(capsys, what)
    assert max(map(len, written.splitlines())) <= 100
    for row in listing(what)[0]:
        words = {
            word
            for key in row.keys() - {"printed_as", "package", "file"}
            for word in str(row[key]).split(" ")
        }
        assert {word.strip("[',]") for word in words} <= {
            word.strip(",") for word in written.split()
        }


def test_recipes_for_programs_say_which_file_to_copy() -> None:
    assert all(Path(row["file"]).stem == row["name"] for row in listing("recipes")[0])
    assert all(Path(row["file"]).is_file() for row in listing("recipes")[0])


@pytest.mark.parametrize("columns", [80, 100])
def test_models_in_text_are_not_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    written = as_text("models", [MODEL])
    assert max(map(len, written.splitlines())) <= columns
    assert "…" not in written
    expected = ["sp", "22.84", "217.6", *MODEL["presets"], *MODEL["licence"].split()]
    assert {word.strip(",") for word in expected} <= {word.strip(",") for word in written.split()}
    assert grouped(MODEL["tables"]) == "sp-1, 2; umsn-text"


def test_brackets_are_text_and_not_markup() -> None:
    title = "[red]x[/red] :smile:"
    assert title in as_text("recipes", [{"name": "a", "title": title}])


def test_models_say_where_they_are_printed_and_what_their_licence_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blurbench.models.MODELS", {name: MODELS[name] for name in ("deblurgan",)})
    (row,) = json.loads(listed(capsys, "models", "--json"))
    assert (row["name"], row["preset"], row["params"]) == ("deblurgan", "paper", 11_378_179)
    assert row["gmacs_256"] == pytest.approx(49.552, abs=1e-3)
    assert row["tables"] == ["s3e-1", "s3e-2", "brmr-2", "brmr-3"]
    assert row["licence"] == "authors' code: no licence file"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_ours_has_a_licence_note(name: str) -> None:
    note = model_class(name).LICENCE
    assert note
    assert note != Model.LICENCE


COPY = """
from blurbench.metrics import Metric
COPY = Metric("blurbench.metrics.distortion:psnr", "Copy", True, "dB")
"""


def test_plug_ins_are_listed_with_their_package_and_faults_cost_one_line_each(
    install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install("copies", "blurbench.metrics", "copy = copies:COPY", COPY, version="1.2")
    install("torn", "blurbench.metrics", "torn = torn:COPY", "import no_such_module")
    install("taken", "blurbench.metrics", "psnr = taken:COPY", COPY)
    assert run(["list", "metrics", "--json"]) == 0
    told = capsys.readouterr()
    listed = {row["name"]: row["package"] for row in json.loads(told.out)}
    assert listed == {**dict.fromkeys(METRICS), "copy": "copies 1.2"}
    taken, torn = told.err.splitlines()
    assert taken.startswith("metric 'psnr' of taken 1 (taken:COPY): not used, for blurbench has")
    assert torn.startswith("metric 'torn' of torn 1 (torn:COPY): ModuleNotFoundError")
    assert run(["list", "metrics"]) == 0
    words = capsys.readouterr().out.splitlines()[-1].split()
    assert words == ["copy", "(copies", "1.2)", "higher", "dB"]


def test_a_model_that_costs_nothing_to_name_but_fails_to_build_costs_one_line(
    install: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "from blurbench.models.unet import UNet\n"
        "class Odd(UNet):\n"
        "    def __init__(self, config): raise RuntimeError('no such\\nlayer')\n"
    )
    install("odd", "blurbench.models", "odd = odd:Odd", code)
    monkeypatch.setattr("blurbench.models.MODELS", {"unet": MODELS["unet"]})
    assert run(["list", "models"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].startswith("unet")
    (line,) = told.err.splitlines()
    assert line.startswith("model 'odd' of odd 1: RuntimeError: no such layer")


def test_all_of_it_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = {row["list"]: row["names"] for row in json.loads(listed(capsys, "--json"))}
    assert list(found) == [kind for kind in KINDS if kind != "presets"]
    assert found["models"] == list(MODELS)
    assert "builtin:photos" in found["sources"]
    assert "severity-ladder" in found["recipes"]


def test_presets_tell_what_decides_the_length_of_a_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {row["name"]: row for row in json.loads(listed(capsys, "presets", "--json"))}
    told = {key: found["nafnet paper"][key] for key in ("steps", "batch", "crop")}
    assert told == {"steps": 400_000, "batch": "64", "crop": "256"}
    assert found["nafnet small"]["crop"] == "128, 192, 256"


@pytest.mark.parametrize("kind", ["sources", "weights"])
def test_every_row_has_a_name(kind: str) -> None:
    rows, faults = listing(kind)
    assert not faults
    assert all(row["name"] for row in rows)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("nafnt", "unknown model 'nafnt' (did you mean nafnet?); known: mprnet, "),
        ("zzz", "unknown model 'zzz'; known: mprnet, "),
    ],
)
def test_a_name_that_is_nearly_one_is_answered_with_it(wrong: str, line: str) -> None:
    with pytest.raises(UserError) as raised:
        model_class(wrong)
    assert str(raised.value).startswith(line)
