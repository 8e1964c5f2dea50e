"""A study of seconds from end to end: its records stay, and what is missing goes on."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import small_study
import torch
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.files import write_json
from blurbench.reproduce.studies import registry
from blurbench.reproduce.studies.perform import ABOUT, about, begin, key
from blurbench.reproduce.studies.plan import plan_study
from blurbench.reproduce.studies.table import TIMES
from blurbench.schemas.seals import sealed

STUDY = small_study.STUDY


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As studies are run: two threads add up in another order, and move the sixth digit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished study, and what it said."""
    out = tmp_path_factory.mktemp("study") / "out"
    lines = []
    studied = begin(STUDY, out, None, seeds=2, tell=lines.append).perform()
    return out, studied, lines


@pytest.fixture
def begun(done, tmp_path):
    """A copy of the finished study."""
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    return out


def without_times(out: Path) -> list[dict[str, str]]:
    with (out / "study.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def test_every_run_leaves_a_record(done):
    out, studied, lines = done
    assert (studied.missing, studied.failed) == ([], [])
    assert studied.answer.startswith("fast less slow: ")
    runs = [key(run) for run in STUDY.runs(2)]
    assert runs == [
        *("fast/1", "slow/1", "fast/2", "slow/2", "taught/1", "first/1", "taught/2", "seeker/1")
    ]
    for name in runs:
        files = {path.name for path in (out / "records" / name).iterdir()}
        assert files == {"config.json", "scores.csv", "run.json"}
    # first/1 was made before taught/1, which begins with it, and once.
    heads = [line for line in map(str, lines) if line.startswith("\nstudy-small: ")]
    told = [line.split(": ")[1].split(" (")[0] for line in heads]
    assert told.count("first, seed 1") == 1
    assert told[4:] == ["first, seed 1", "taught, seed 1", "taught, seed 2", "seeker, seed 1"]
    record = json.loads((out / "records/taught/1/run.json").read_text())
    assert (record["steps"], record["samples"], record["beside"]) == (4, 8, {})
    assert 0 < record["minutes"] < 1
    assert record["pairs"] == {"train": 4, "test": 6}
    assert str(out) not in json.dumps(record)
    begun_with = json.loads((out / "work/runs/taught/1/config.json").read_text())["init"]
    assert begun_with


def test_the_table_has_a_row_a_contrast_and_seed_and_their_mean(done):
    rows = without_times(done[0])
    primary = [row for row in rows if row["kind"] == "primary"]
    assert [row["seed"] for row in primary] == ["1", "2", "mean"]
    mean = primary[-1]
    each = [float(row["effect"]) for row in primary[:-1]]
    assert float(mean["effect"]) == pytest.approx(sum(each) / 2, abs=1e-4)
    assert (mean["printed"], mean["pictures"]) == ("1.5", "6")
    assert {row["contrast"] for row in rows if row["kind"] == "secondary"} == {
        "taught - first",
        "long blur",
    }
    assert sum(row["kind"] == "octave" for row in rows) > 6


def test_a_measure_has_scores_of_its_own_and_needs_no_psnr(done):
    out, *_ = done
    folder = out / "records/seeker/1"
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "source", "iou"]
    values = [float(row["iou"]) for row in rows]
    assert len(values) == 4
    assert all(0 <= value <= 1 for value in values)
    record = json.loads((folder / "run.json").read_text())
    assert record["measured"] != record["digest"]
    assert json.loads((folder / "config.json").read_text())["scored"]["measure"] == "iou"
    (mean,) = [
        row
        for row in without_times(out)
        if row["contrast"] == "iou of seeker" and row["seed"] == "mean"
    ]
    assert float(mean["effect"]) == pytest.approx(sum(values) / 4, abs=1e-4)
    assert mean["p"] == ""
    page = (out / "study.html").read_text()
    assert "IoU of the square" in page
    assert "a random window" in page
    # As the records that were there before measures.
    record = json.loads((out / "records/fast/1/run.json").read_text())
    assert not {"measured", "figures"} & record.keys()


def test_a_clone_has_all_it_needs_for_the_page_and_makes_no_data(begun):
    shutil.rmtree(begun / "work")
    before = (begun / "study.csv").read_bytes()
    (begun / "study.csv").unlink()
    begin(STUDY, begun, None, seeds=2).perform()
    assert (begun / "study.csv").read_bytes() == before
    assert not (begun / "work/data").exists()


def test_a_clone_makes_again_what_a_missing_run_begins_with(begun):
    shutil.rmtree(begun / "work")
    before = without_times(begun)
    kept = (begun / "records/first/1/run.json").read_bytes()
    shutil.rmtree(begun / "records/taught/2")
    lines = []
    begin(STUDY, begun, None, seeds=2, tell=lines.append).perform()
    assert without_times(begun) == before
    assert "\nTraining first, which taught begins with" in lines
    assert (begun / "records/first/1/run.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"steps": 9}, "another steps than the study has now"),
        ({"settings": {**small_study.TINY, "flip": False}}, "another settings.flip"),
    ],
)
def test_a_record_of_other_settings_is_refused_in_plain_words(begun, change, told):
    arms = (replace(STUDY.arms[0], **change), *STUDY.arms[1:])
    with pytest.raises(UserError, match=told) as error:
        begin(replace(STUDY, arms=arms), begun, None, seeds=2).perform()
    assert str(begun / "records/fast/1") in str(error.value)


def test_a_preset_that_has_changed_since_a_run_is_told(begun):
    path = begun / "records/fast/1/run.json"
    record = json.loads(path.read_text())
    record["model"]["rate"] = 0.5
    path.write_text(json.dumps(sealed(record)))
    with pytest.raises(UserError, match="preset tiny of unet had another rate"):
        begin(STUDY, begun, None, seeds=2).perform()


def test_records_of_another_data_set_are_refused(begun):
    path = begun / "records/slow/2/run.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | {"digest": "f" * 64})))
    with pytest.raises(UserError, match=r"records/slow/2: was scored on another data set"):
        begin(STUDY, begun, None, seeds=2).perform()


@pytest.mark.parametrize("name", ["scores.csv", "run.json", "config.json"])
@pytest.mark.parametrize("change", ["nonsense", "one digit", "another's"])
def test_a_damaged_record_is_told(begun, name, change):
    path = begun / "records/slow/1" / name
    text = path.read_text()
    digit = next(each for each in reversed(text) if each in "123456789")
    before, _, behind = text.rpartition(digit)
    changed = {"nonsense": "id\n1\n", "one digit": f"{before}{(int(digit) + 1) % 10}{behind}"}
    other = (begun / "records/slow/2" / name).read_text()
    path.write_text(changed.get(change, other))
    if change == "another's" and name == "run.json":
        path = path.with_name("config.json")  # that of the other has other settings
    with pytest.raises(UserError, match=rf"{path.name}.*(changed|not valid JSON).*; remove"):
        begin(STUDY, begun, None, seeds=2).perform()


def test_a_record_without_checks_is_read_and_told(begun, capsys):
    path = begun / "records/slow/1/run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in record.items() if k not in ("check", "sha256")}))
    before = (begun / "study.csv").read_bytes()
    begin(STUDY, begun, None, seeds=2).perform()
    assert (begun / "study.csv").read_bytes() == before
    assert f"{path}: written before there were checks: unchecked" in capsys.readouterr().err


def test_a_folder_of_another_study_or_of_real_pictures_is_refused(begun, tmp_path):
    with pytest.raises(UserError, match="holds a study of another study"):
        begin(replace(STUDY, name="study-other"), begun, None)
    with pytest.raises(UserError, match="holds a study of another stand_in"):
        begin(STUDY, begun, tmp_path)


def test_of_two_studies_begun_at_once_in_one_folder_one_is_refused(tmp_path):
    out = tmp_path / "out"
    here, other = begin(STUDY, out, None, seeds=1), replace(STUDY, name="another")
    there = begin(other, out, None, seeds=1)  # neither has written yet
    (out).mkdir(exist_ok=True)
    write_json(out / ABOUT, sealed(about(other, stand_in=True)))
    with pytest.raises(UserError, match="another"):
        here.perform()
    assert there.missing() == there.runs
    assert not (out / "records").exists()


def test_minutes_begin_no_run_that_would_end_after_them(begun):
    for name in ("fast/2", "taught/2"):
        shutil.rmtree(begun / "records" / name)
        shutil.rmtree(begun / "work/runs" / name)
    lines = []
    studied = begin(STUDY, begun, None, seeds=2, tell=lines.append).perform(minutes=0.9)
    assert studied.missing == ["fast/2", "taught/2"]
    assert any(line.startswith("fast/2: not begun, it takes about ") for line in lines)
    assert [line.split(":")[0] for line in studied.failed] == ["no run was made"]
    assert begin(STUDY, begun, None, seeds=2).perform(minutes=2.5).missing == []


def test_what_cannot_be_run_costs_the_others_nothing(begun):
    arm = replace(STUDY.arms[0], name="needy", files={"init": "weights/none.pth"})
    needy = replace(STUDY, arms=(*STUDY.arms, arm))
    shutil.rmtree(begun / "records/taught/2")
    studied = begin(needy, begun, None, seeds=2, tell=lambda _: None).perform()
    assert studied.missing == ["needy/1", "needy/2"]
    assert "weights/none.pth: lies below --data-root" in studied.failed[0]
    assert "2 runs missing: needy/1, needy/2" in str(studied)


def test_the_plan_does_not_count_what_cannot_be_run(begun):
    arm = replace(STUDY.arms[0], name="needy", files={"init": "weights/none.pth"})
    after = replace(STUDY.arms[0], name="after", begins_with="needy")
    plan = plan_study(begin(replace(STUDY, arms=(*STUDY.arms, arm, after)), begun, None, seeds=1))
    assert plan.runs == 0
    told = str(plan).splitlines()[-1]
    assert told.startswith(
        "not counted: needy/1, after/1: weights/none.pth: lies below --data-root"
    )


def test_public_weights_that_are_absent_are_told_in_a_line(begun, tmp_path):
    arm = replace(STUDY.arms[0], name="public", steps=0, weights="weights/package")
    public = replace(STUDY, arms=(*STUDY.arms, arm))
    lines = []
    course = begin(public, begun, None, seeds=2, tell=lines.append)
    course.bench = replace(course.bench, root=tmp_path)
    studied = course.perform()
    assert studied.missing == ["public/1"]
    assert studied.failed == [
        f"not run: public/1: {tmp_path / 'weights/package'}: is not there;"
        " docs/studies.md tells what it is"
    ]
    assert studied.answer.startswith("fast less slow: ")


def test_the_plan_counts_what_is_left_and_writes_nothing(begun, tmp_path):
    shutil.rmtree(begun / "records/slow/1")
    plan = plan_study(begin(STUDY, begun, None, seeds=2))
    assert (plan.runs, plan.data_mb) == (1, 0.0)
    fresh = plan_study(begin(STUDY, tmp_path / "new", None))
    assert (fresh.runs, fresh.minutes) == (11, 12.0)
    assert fresh.data_mb > 0
    assert not (tmp_path / "new").exists()


def test_the_command_runs_plans_and_lists_studies(begun, monkeypatch):
    monkeypatch.setitem(registry.STUDIES, STUDY.name, STUDY)
    words = ["reproduce", STUDY.name, "--out", str(begun), "--seeds", "2"]
    run = CliRunner().invoke(cli, words)
    assert run.exit_code == 0
    assert "fast less slow" in run.output
    assert "0 runs missing" in CliRunner().invoke(cli, [*words, "--plan"]).output
    assert "study-small" in CliRunner().invoke(cli, ["reproduce"]).output


@pytest.mark.slow
def test_a_study_killed_five_times_says_the_same(done, tmp_path):
    out, kills = tmp_path / "out", random.Random(7)
    words = [sys.executable, small_study.__file__, str(out)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(5):
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=alone) as process:
            assert process.stdout
            for line in process.stdout:
                if "seed" in line:
                    break
            time.sleep(kills.uniform(0, 1.5))
            process.kill()
    begin(STUDY, out, None, seeds=2, tell=lambda _: None).perform()
    assert without_times(out) == without_times(done[0])
