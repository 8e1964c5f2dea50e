"""A run read back from its files."""

import json

import pytest
from small_results import LOG, write_run

from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.runs.history import find_runs, minutes_of, read_history


def test_what_a_log_says(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "last.safetensors").touch()
    found = read_history(run)
    assert (found.step, found.state, found.blurred, found.look) == (40, "finished", 24.0, "psnr")
    assert found.looks == {20: 25.5, 40: 25.25}
    assert found.best == 20
    assert found.losses == {"unet: loss": {10: 0.1, 20: 0.05, 30: 1 / 30, 40: 0.025}}
    assert found.minutes == minutes_of(run) == 40 * 6 / 60


def test_how_far_it_is(tmp_path):
    run = write_run(tmp_path / "run", LOG[:3])
    assert read_history(run).state == "unfinished"
    assert not (run / ".lock").exists()
    with locked(run):
        assert read_history(run).state == "training now"
    assert read_history(run).state == "unfinished"
    stopped = write_run(tmp_path / "stopped", LOG, stopped=40)
    assert read_history(stopped).state == "stopped by its patience"


def test_a_line_that_is_being_written_is_no_damage(tmp_path):
    run = write_run(tmp_path / "run")
    log = run / "log.jsonl"
    whole = read_history(run)
    log.write_bytes(log.read_bytes() + b'{"step": 50, "sta')
    assert read_history(run) == whole


@pytest.mark.parametrize("row", [{"stage": "unet"}, {"step": -1}, {"step": True}, {"step": "9"}])
def test_a_row_without_a_step_is_refused(tmp_path, row):
    run = write_run(tmp_path / "run", [*LOG, row])
    with pytest.raises(UserError, match="a line is no row"):
        read_history(run)


def test_numbers_alone_are_taken(tmp_path):
    row = {"step": 10, "stage": "unet", "loss": "0.5", "other": [1], "flag": 1e300}
    run = write_run(tmp_path / "run", [row])
    assert read_history(run).losses == {}


def test_runs_are_found_below_folders(tmp_path):
    runs = [write_run(tmp_path / name) for name in ("b", "a/1", "a/2")]
    assert find_runs([tmp_path]) == sorted(runs)
    assert find_runs([tmp_path / "a", tmp_path / "a/1"]) == sorted(runs[1:])
    (tmp_path / "empty").mkdir()
    for folder, why in (("empty", "holds no run"), ("gone", "no such folder")):
        with pytest.raises(UserError, match=why):
            find_runs([tmp_path / folder])


def test_minutes_are_those_of_all_steps_whatever_began_anew(tmp_path):
    assert minutes_of(tmp_path) == 0
    rows = [
        {"step": 0, "stage": "identity", "psnr": 20.0},
        {"step": 10, "stage": "gan", "seconds_per_step": 9.0, "cpu_seconds_per_step": 3.0},
        {"step": 10, "stage": "sample", "id": "a"},
        {"step": 40, "stage": "gan", "seconds_per_step": 9.0, "cpu_seconds_per_step": 1.0},
        {"step": 70, "stage": "gan", "seconds_per_step": 2.0},  # on a GPU
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert minutes_of(tmp_path) == pytest.approx((30 + 30 + 60) / 60)
