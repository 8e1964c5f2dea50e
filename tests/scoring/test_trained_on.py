"""How much training stands behind some weights."""

import pytest

from blurbench.files import write_json, write_jsonl
from blurbench.scoring.result_folder import TrainedOn
from blurbench.scoring.trained_on import trained_on

CONFIG = {
    "model": "unet",
    "steps": 100,
    "seed": 0,
    "config": {"batch_size": 4},
    "data": {"digest": "d", "recipe": "demo", "sources": {"sha256": "0", "train": 50, "val": 2}},
    "processor": "cpu AVX512",
}
SETS = [{"digest": "d", "recipe": "demo", "share": 0.7, "pairs": 28}]


def run_of(tmp_path, **data):
    write_json(tmp_path / "config.json", CONFIG | {"preset": "tiny", "data": CONFIG["data"] | data})
    write_jsonl(tmp_path / "log.jsonl", [{"step": 100, "seconds_per_step": 36.0}])
    return trained_on(tmp_path)


def test_one_set(tmp_path):
    found = run_of(tmp_path)
    assert found == TrainedOn(steps=100, sharp_pictures=50, epochs=8, hours=1, device="cpu AVX512")
    assert str(found) == "trained on 50 sharp pictures, 100 steps, 8 epochs, 1.0 h, cpu AVX512"
    assert trained_on(tmp_path / "elsewhere.pth") == found  # a file of the run
    assert trained_on(tmp_path / "no" / "file.pth") is None


def test_several_sets_are_named_with_their_shares(tmp_path):
    found = run_of(tmp_path, recipe="0.7 demo + 0.3 faces", sets=SETS)
    told = "trained on 50 sharp pictures of 0.7 demo + 0.3 faces, 100 steps, 8 epochs, 1.0 h, cpu"
    assert str(found) == f"{told} AVX512"


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"steps": 5}, "trained, 5 steps"),
        ({"steps": 5, "sets": "0.5 a + 0.5 b"}, "trained on 0.5 a + 0.5 b, 5 steps"),
        ({"steps": 1250, "hours": 0.4}, "trained, 1,250 steps, 24 min"),
        ({"steps": 1250, "hours": 2.25}, "trained, 1,250 steps, 2.2 h"),
    ],
)
def test_what_a_run_does_not_tell_is_left_out(known, told):
    assert str(TrainedOn(**known)) == told
