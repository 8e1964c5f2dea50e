"""What a table will cost is told before it begins, fits into the minutes given, and is kept."""

import json
import time
from pathlib import Path

import pytest

from blurbench.errors import UserError
from blurbench.reproduce import plan
from blurbench.reproduce.build import Builder
from blurbench.reproduce.plan import StepCost, begin, make_plan, time_limit
from blurbench.reproduce.planned import planned, training_seconds
from blurbench.reproduce.scales import FLOOR, Scale
from blurbench.reproduce.suites import cells, trainings

SMALL = Scale("small", seeds=3)
MEASURE = plan.measure


def quietly(_line: str) -> None:
    pass


@pytest.fixture(autouse=True)
def a_tenth_of_a_second_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(training, builder, *_folders):
        stages = planned(training, builder.scale).model.stages()
        return StepCost((0.1,) * len(stages), 1_000_000)

    monkeypatch.setattr(plan, "measure", measured)


def of_all_rows(scale: Scale) -> set[int]:
    return {planned(one, scale).budget.restoring // 1_000 for one in trainings(cells("brmr-2"))}


def test_a_plan_tells_runs_minutes_and_disk_and_writes_nothing(tmp_path):
    builder = Builder(tmp_path / "out", scale=SMALL, tell=quietly)
    found = make_plan("brmr-2", builder)
    assert len(found.runs) == 12
    assert found.done == 0
    assert "12 runs, 8,00" in str(found)
    assert found.disk > 12_000_000
    assert not (tmp_path / "out").exists()
    # A run that is there is no longer counted.
    done = builder.run_folder(found.runs[0])
    done.mkdir(parents=True)
    (done / "last.safetensors").touch()
    again = make_plan("brmr-2", builder)
    assert (len(again.runs), again.done) == (11, 1)
    assert again.minutes < found.minutes


def test_all_rows_are_cut_alike_to_fit_into_the_minutes(tmp_path):
    builder = Builder(tmp_path, scale=SMALL, tell=quietly)
    whole = make_plan("brmr-2", builder)
    half = make_plan("brmr-2", builder, whole.minutes / 2)
    assert half.minutes <= whole.minutes / 2
    assert 0.4 <= half.scale.share <= 0.5
    assert len(of_all_rows(half.scale)) == 1
    assert max(of_all_rows(half.scale)) < max(of_all_rows(SMALL))
    with pytest.raises(UserError, match=f"12 runs of {FLOOR:,} samples, the floor, take"):
        make_plan("brmr-2", builder, 1.0)


def test_what_was_cut_is_noted_once_and_taken_up_again(tmp_path):
    told: list[str] = []
    first = Builder(tmp_path, scale=SMALL, tell=lambda line: told.append(str(line)))
    begin("brmr-2", first, make_plan("brmr-2", first).minutes / 2)
    assert "12 runs" in told[0]
    assert json.loads((tmp_path / "scale.json").read_text())["share"] == first.scale.share < 1
    # Whatever minutes a later call has, or another process: its rows are compared with these.
    second = Builder(tmp_path, scale=SMALL, tell=quietly)
    begin("brmr-2", second, 10_000)
    assert second.scale == first.scale
    with pytest.raises(UserError, match="a reproduction of another seeds"):
        begin("brmr-2", Builder(tmp_path, scale=Scale("small", 5)), None)


def test_a_folder_of_something_else_stays_as_it_is(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="not a reproduction"):
        begin("brmr-2", Builder(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_when_the_time_is_over_what_is_unfinished_stays_for_later(tmp_path):
    builder = Builder(tmp_path, tell=quietly)
    began = time.monotonic()
    with time_limit(builder, 0.2 / 60):
        time.sleep(20)
    assert time.monotonic() - began < 10
    with pytest.raises(UserError, match="minutes were over; the same command goes on"):
        builder.once(tmp_path / "runs" / "a", "Training a", lambda: 1 / 0)
    assert not list(tmp_path.glob("**/failed.json"))  # another call tries it
    (tmp_path / "runs" / "b").mkdir(parents=True)
    (tmp_path / "runs" / "b" / "last.safetensors").touch()
    assert builder.once(tmp_path / "runs" / "b", "Training b", str)
    with pytest.raises(KeyboardInterrupt), time_limit(Builder(tmp_path), 10):
        raise KeyboardInterrupt  # by hand


def test_seconds_are_those_of_the_processor_where_the_log_has_them(tmp_path: Path) -> None:
    rows = [
        {"step": 0, "stage": "validation", "psnr": 20.0},
        {"step": 10, "stage": "unet", "seconds_per_step": 2.0, "cpu_seconds_per_step": 0.5},
        {"step": 30, "stage": "unet", "seconds_per_step": 0.25},
    ]
    assert training_seconds(tmp_path) is None
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert training_seconds(tmp_path) == 10.0


def test_steps_that_cost_the_same_are_measured_once(tmp_path, monkeypatch):
    measured: list[str] = []
    quick = plan.measure

    def counting(training, *rest):
        measured.append(training.model)
        return quick(training, *rest)

    monkeypatch.setattr(plan, "measure", counting)
    found = make_plan("s3e-3", Builder(tmp_path, scale=SMALL, tell=quietly))
    names = {one.model for one in found.runs}
    assert len(found.runs) > 3 * len(names)  # each of three kinds of pictures, and three seeds
    assert sorted(measured) == sorted(names)


def test_what_is_measured_looks_at_no_step_of_the_whole_run(tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    def training(*_arguments, overrides, steps, **_options):
        assert max(overrides["sample_at"], default=0) <= steps
        raise Enough

    [umsn] = trainings(cells("umsn-7"))
    assert planned(umsn, SMALL).settings["sample_at"]
    monkeypatch.setattr(plan, "train", training)
    (tmp_path / "data").mkdir()
    with pytest.raises(Enough):
        MEASURE(umsn, Builder(tmp_path, scale=SMALL), tmp_path / "data", tmp_path / "run")


def test_what_is_there_is_checked_and_not_said_to_be_made(tmp_path):
    told: list[str] = []
    (tmp_path / "runs" / "a").mkdir(parents=True)
    builder = Builder(tmp_path, tell=lambda line: told.append(str(line)))

    def make() -> str:
        (tmp_path / "runs" / "a" / "last.safetensors").touch()
        return "3 steps"

    builder.once(tmp_path / "runs" / "a", "Training a", make)
    assert told == ["\nTraining a", "3 steps"]
    told.clear()
    again = Builder(tmp_path, tell=lambda line: told.append(str(line)))
    again.once(tmp_path / "runs" / "a", "Training a", make)
    assert told == ["found runs/a"]


def test_when_the_time_is_over_nobody_is_waited_for(tmp_path):
    other, builder = Builder(tmp_path, tell=quietly), Builder(tmp_path, tell=quietly)
    builder.over = "the minutes were over"
    with other.sharing.claimed("runs/a"), pytest.raises(UserError, match="minutes were over"):
        builder.once(tmp_path / "runs" / "a", "Training a", lambda: 1 / 0)
    # What is trained is scored even so: else a table whose plan was a minute short would be empty.
    scored: list[str] = []
    builder.once(tmp_path / "results" / "b", "Scoring b", lambda: scored.append("b"), late=True)
    assert scored == ["b"]
