"""Several data sets in one training: what is refused, told, recorded and resumed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_data
from small_results import write_data_set

from blurbench.__main__ import run as command
from blurbench.commands.options import parse_share
from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.runs.folder import read_config
from blurbench.runs.seen import read_seen
from blurbench.scoring.leaks import find_leaks
from blurbench.sources.open import open_source
from blurbench.training.checkpoint import checkpoints
from blurbench.training.data.opened import Weighted, open_pairs, told_of
from blurbench.training.data.several import SeveralSets
from blurbench.training.launch import child_arguments
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 32}
OPTIONS: dict[str, Any] = {"preset": "tiny", "steps": 4, "device": "cpu", "overrides": SMALL}
STEPS = 24
TRAIN = """
import sys
from pathlib import Path
from blurbench.training.data.opened import Weighted
from blurbench.training.train import train
small = dict(widths=(4, 8), blocks=(1, 1), batch_size=2, crop_size=32, precision="fp32")
sets = [Weighted(Path(sys.argv[1])), Weighted(Path(sys.argv[2]), 0.3)]
train("unet", sets, Path(sys.argv[3]), preset="tiny", steps=int(sys.argv[4]),
      device="cpu", overrides=small, resume=True, checkpoint_seconds=0.0)
"""


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two data sets of different pictures; only the first has a val split."""
    root = tmp_path_factory.mktemp("sets")
    for name, first, splits in (("one", 0, {"train": 4, "val": 2}), ("two", 6, {"train": 3})):
        for split, count in splits.items():
            tiny_data.write_photos(root / name / split, count, first + 10 * (split == "val"))
        synthesize(tiny_data.flow_recipe(), open_source(str(root / name)), root / f"{name}-set")
    return root / "one-set", root / "two-set"


def both(sets: tuple[Path, Path], share: float | None = 0.3) -> list[Weighted]:
    return [Weighted(sets[0]), Weighted(sets[1], share)]


def test_a_run_states_its_sets_and_leaks_are_looked_for_in_all(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    train("unet", both(sets), tmp_path / "run", **OPTIONS)
    told = read_config(tmp_path / "run")["data"]
    one, two = (BlurDataset(each, "train") for each in sets)
    assert told["sets"] == [
        {"digest": one.digest, "recipe": "tiny", "share": 0.7, "pairs": len(one)},
        {"digest": two.digest, "recipe": "tiny", "share": 0.3, "pairs": len(two)},
    ]
    assert told["recipe"] == "0.7 tiny + 0.3 tiny"
    assert told["digest"].startswith("sets:")
    seen = read_seen(tmp_path / "run").sources
    assert {seen[source] for source in one.sources() | two.sources()} == {"train"}
    for pairs in (one, two):
        leaks = find_leaks(pairs.rows, tmp_path / "run")
        assert leaks is not None
        assert leaks.train == len(pairs)


def test_a_run_of_one_set_tells_no_list(sets: tuple[Path, Path], tmp_path: Path) -> None:
    train("unet", sets[0], tmp_path / "run", **OPTIONS)
    assert set(read_config(tmp_path / "run")["data"]) == {"digest", "recipe", "sources"}


def test_other_shares_or_sets_are_another_run(sets: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("unet", both(sets), run, **OPTIONS)
    before = (run / "config.json").read_bytes()
    train("unet", both(sets), run, **OPTIONS, resume=True)
    changed: tuple[tuple[Any, str], ...] = (
        (both(sets, 0.5), r"data\.sets\.1\.share 0\.3, not 0\.5"),
        (both(sets)[::-1], r"data\.sets\.0\.digest"),
        (sets[0], r"data\.digest sets:.*, not "),
    )
    for data, told in changed:
        with pytest.raises(UserError, match=rf"holds a run with .*{told}"):
            train("unet", data, run, **OPTIONS, resume=True)
    assert (run / "config.json").read_bytes() == before


def test_who_judges(sets: tuple[Path, Path], tmp_path: Path) -> None:
    pairs, judging = open_pairs(both(sets), 0)
    assert isinstance(pairs, SeveralSets)
    assert judging is not None
    assert judging.digest == BlurDataset(sets[0], "val").digest
    assert len(judging) == 2
    # Of the set without a val split a share judges, beside the other's.
    held, judging = open_pairs(both(sets), 0, 0.01)
    assert isinstance(held, SeveralSets)
    assert isinstance(judging, SeveralSets)
    assert [each.share for each in judging.sets] == [0.7, 0.3]
    assert not held.sets[1].pairs.sources() & judging.sets[1].pairs.sources()
    copy = shutil.copytree(sets[0], tmp_path / "copy")
    with pytest.raises(UserError, match=r"copy: has the same pairs as .*one-set; give it once"):
        open_pairs([Weighted(sets[0]), Weighted(copy)], 0)
    done = train("unet", both(sets), tmp_path / "run", **OPTIONS, hold_out=0.01)
    assert done.best_metric is not None


def test_the_plan_tells_the_pairs_of_each(sets: tuple[Path, Path], tmp_path: Path) -> None:
    done = train("unet", both(sets), tmp_path / "run", **OPTIONS, plan=True)
    cost, whole, one, two = str(done).split("\n")
    assert cost.startswith("unet, preset tiny: ")
    assert whole == "2 sets: 8 samples are 0.4 epochs of 20, in which every pair is seen"
    digest = BlurDataset(sets[0], "train").digest[:8]
    expected = f"  one-set (recipe tiny, {digest}): 8 pairs, 0.7 of the samples, each 1 or 2 times"
    assert one == f"{expected} an epoch"
    assert two.endswith(": 6 pairs, 0.3 of the samples, each once an epoch; no val split")
    assert not (tmp_path / "run").exists()


def test_what_judges_and_is_learnt_elsewhere_is_told(tmp_path: Path) -> None:
    tiny_data.write_photos(tmp_path / "one" / "train", 2)
    tiny_data.write_photos(tmp_path / "one" / "val", 1, 2)
    tiny_data.write_photos(tmp_path / "two" / "train", 2, 2)  # the first of them judges
    for name in ("one", "two"):
        source = open_source(str(tmp_path / name))
        synthesize(tiny_data.flow_recipe(), source, tmp_path / f"{name}-set")
    pairs, judging = open_pairs([Weighted(tmp_path / f"{n}-set") for n in ("one", "two")], 0)
    assert "warning: 1 sharp source of what judges is trained on" in told_of(pairs, judging, 9)[-1]


def test_a_model_that_needs_a_label_tells_which_set_lacks_it(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    faces = tiny_data.write_faces(tmp_path / "faces", 3)
    source = open_source(str(faces), masks=True)
    synthesize(tiny_data.face_recipe(), source, tmp_path / "set")
    data = [Weighted(tmp_path / "set"), Weighted(sets[0])]
    with pytest.raises(UserError, match=r"umsn needs the mask .*\(of recipe tiny\)"):
        train("umsn", data, tmp_path / "run", preset="tiny", steps=4, device="cpu")
    pairs, judging = open_pairs(data, 0)
    assert "  mask: of set alone, and left out" in told_of(pairs, judging, 9)
    assert {tuple(sorted(pairs[i])) for i in range(len(pairs))} == {("blur", "id", "sharp")}


def test_the_command_reads_shares(
    sets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*data: str) -> str:
        words = [word for each in data for word in ("--data", each)]
        words = ["train", "--model", "unet", "--preset", "tiny", *words]
        assert command([*words, "--out", str(tmp_path / "run")]) == 2
        return capsys.readouterr().err

    one, two = map(str, sets)
    assert "a share is of one among several" in refused(f"{one}=0.3")
    assert "the shares must add up to 1 (they make 0.8)" in refused(f"{one}=0.5", f"{two}=0.3")
    assert "above 0, up to 1 (is 3)" in refused(one, f"{two}=3")
    assert "two-set=x" in refused(one, f"{two}=x")


def test_a_name_that_ends_like_a_share(tmp_path: Path) -> None:
    odd = tmp_path / "sigma=0.3"
    odd.mkdir()
    assert parse_share(odd) == (odd, None)
    assert parse_share(Path(f"{odd}=0.5")) == (odd, 0.5)
    assert parse_share("s3://bucket/day=monday") == ("s3://bucket/day=monday", None)
    assert parse_share("s3://bucket/set=0.25") == ("s3://bucket/set", 0.25)


def test_other_processes_are_told_the_same_shares(sets: tuple[Path, Path]) -> None:
    data = [Weighted(sets[0]), Weighted(sets[1], 0.1 + 0.2)]
    words = child_arguments(data, {})
    assert words == ["--data", str(sets[0]), "--data", f"{sets[1]}=0.30000000000000004"]
    assert [Weighted(*parse_share(Path(word))) for word in words[1::2]] == data


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_of_two_sets_ends_with_the_same_bytes(
    sets: tuple[Path, Path], tmp_path: Path, number: int
) -> None:
    start: Callable[[Path], Any] = lambda out: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", TRAIN, *map(str, sets), str(out), str(STEPS)],
        stderr=subprocess.DEVNULL,
    )
    assert start(tmp_path / "whole").wait() == 0
    out = tmp_path / "run"
    process = start(out)
    while not [path for path in checkpoints(out) if int(path.name) >= 7]:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() != 0
    assert int(checkpoints(out)[-1].name) < STEPS
    assert start(out).wait() == 0
    for name in ("last.safetensors", "model.safetensors", "config.json", "sources.txt.gz"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_sets_without_sources_can_be_mixed(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    """As made by older versions, or by others."""
    other = write_data_set(tmp_path / "crops", 4, "train")
    assert "source_sha256" not in next(iter(read_jsonl(other / "train" / "metadata.jsonl")))
    small = {**OPTIONS, "overrides": {**SMALL, "crop_size": 16}}
    train("unet", [Weighted(other), Weighted(sets[0])], tmp_path / "run", **small)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [each["share"] for each in config["data"]["sets"]] == [0.5, 0.5]
