"""Which files of weights a run wrote itself."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from small_results import write_data_set

from blurbench.errors import UserError
from blurbench.files import sha256, write_json
from blurbench.models.parts.weights import save_tensors
from blurbench.runs import own_weights as module
from blurbench.runs.folder import BEST, CONFIG, LAST, WRITTEN, read_config
from blurbench.runs.load import load_checkpoint
from blurbench.runs.own_weights import OwnWeights, refuse_foreign
from blurbench.runs.seen import read_seen
from blurbench.schemas.seals import sealed, unsealed
from blurbench.scoring.trained_on import trained_on
from blurbench.training.checkpoint import checkpoints
from blurbench.training.train import train

WRITES = 6  # of one file: the record before, the file, the record after, each made durable


class Killed(BaseException):
    """No handler of ours may take it for an error."""


@contextmanager
def killed(number: int) -> Iterator[None]:
    """The process ends before the write of this number, from 0."""
    left = [number]

    def before(write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any) -> Any:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return write(*given)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("write_json", "sync", "replacing"):
            patch.setattr(module, name, before(getattr(module, name)))
        with pytest.raises(Killed):
            yield


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"a": torch.full((3,), value)}


def recorded(run: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = json.loads((run / WRITTEN).read_bytes())["files"]
    return files


@pytest.mark.parametrize("number", range(WRITES))
def test_killed_anywhere_what_lies_there_is_known(tmp_path: Path, number: int) -> None:
    wanted = OwnWeights(tmp_path, "a")
    for value in (1.0, 2.0):  # the first weights of a run, and others in their place
        with killed(number):
            OwnWeights(tmp_path, "a").save(BEST, tensors(value))
        if (tmp_path / BEST).is_file():
            assert sha256((tmp_path / BEST).read_bytes()) in recorded(tmp_path)[BEST]
        wanted = OwnWeights(tmp_path, "a")
        wanted.save(BEST, tensors(value))
        assert recorded(tmp_path) == {BEST: [sha256((tmp_path / BEST).read_bytes())]}


@pytest.mark.parametrize("number", range(WRITES + 2))
def test_weights_that_lay_there_before_are_taken_over(tmp_path: Path, number: int) -> None:
    save_tensors(tmp_path / BEST, tensors(1.0))
    with killed(number):
        OwnWeights(tmp_path, None).save(BEST, tensors(2.0))
    OwnWeights(tmp_path, None).refuse_other(BEST)


def test_the_bytes_of_weights_are_those_of_save_tensors(tmp_path: Path) -> None:
    OwnWeights(tmp_path, None).save(BEST, tensors(1.0))
    save_tensors(tmp_path / "plain", tensors(1.0))
    assert (tmp_path / BEST).read_bytes() == (tmp_path / "plain").read_bytes()


OPTIONS: dict[str, Any] = {
    "preset": "tiny",
    "steps": 2,
    "device": "cpu",
    "checkpoint_seconds": 0.0,
    "overrides": {"batch_size": 1, "crop_size": 16, "precision": "fp32"},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, and runs `own` and `other` of one shape."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_data_set(folder / "data", 4, "train")
    for seed, name in enumerate(("own", "other")):
        train("unet", data, folder / name, seed=seed, **OPTIONS)
    return folder


@pytest.fixture
def mixed(trained: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of run `own` with some files of `other`."""

    def mix(*names: str) -> Path:
        run = shutil.copytree(trained / "own", tmp_path / "own")
        for name in names:
            shutil.copyfile(trained / "other" / name, run / name)
        return run

    return mix


@pytest.mark.parametrize("name", [BEST, LAST])
def test_weights_of_another_run_are_refused_and_taken_as_a_file(
    mixed: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    run = mixed(name)
    told = rf"own/{name}: not written by this run .weights\.json tells.; put its own back"
    with pytest.raises(UserError, match=told):
        load_checkpoint(run / name, "cpu")
    untouched = {BEST: LAST, LAST: BEST}[name]
    assert load_checkpoint(run / untouched, "cpu").provenance["seed"] == 0
    # As a file, here or elsewhere, it is nobody's.
    file = Path(shutil.copyfile(run / name, tmp_path / "file.safetensors"))
    alone = load_checkpoint(file, "cpu").provenance
    assert "seed" not in alone
    there = load_checkpoint(run / name, "cpu", "unet", "tiny").provenance
    assert there["weights"] == alone["weights"]
    # Nor has it learnt from what the run did.
    with pytest.raises(UserError, match="no run tell no sources"):
        read_seen(run / name)
    assert trained_on(run / name) is None
    assert trained_on(run / untouched)
    (run / WRITTEN).unlink()  # the other mend
    assert load_checkpoint(run / name, "cpu").provenance["seed"] == 0


def test_a_run_is_not_begun_with_weights_that_are_not_the_runs(
    mixed: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    run = mixed(BEST)
    for init in (run, run / BEST):
        with pytest.raises(UserError, match="not written by this run"):
            train("unet", trained / "data", tmp_path / "next", init=init, **OPTIONS)
    assert not (tmp_path / "next").exists()


def test_the_record_of_another_run_is_refused_too(
    mixed: Callable[..., Path], trained: Path
) -> None:
    run = mixed(BEST, LAST, WRITTEN)
    with pytest.raises(UserError, match=r"weights\.json: of another run; .* delete it"):
        load_checkpoint(run, "cpu")
    with pytest.raises(UserError, match=r"weights\.json: of another run"):
        train("unet", trained / "data", run, resume=True, **OPTIONS)


def test_resuming_mends_weights_of_another_run(
    mixed: Callable[..., Path], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = mixed(BEST, LAST)
    train("unet", trained / "data", run, resume=True, **OPTIONS)
    assert f"{BEST}: not written by this run" in capsys.readouterr().err
    for name in (BEST, LAST, WRITTEN, CONFIG):
        assert (run / name).read_bytes() == (trained / "own" / name).read_bytes()


def test_a_checkpoint_of_another_run_is_not_gone_on_from(
    mixed: Callable[..., Path], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = mixed()
    older, newest = (place.relative_to(run) for place in checkpoints(run))
    for place in (newest, older):
        shutil.rmtree(run / place)
        shutil.copytree(trained / "other" / place, run / place)
        if place == newest:
            train("unet", trained / "data", run, resume=True, **OPTIONS)
            told = f"{run / newest}: a checkpoint of another run; goes on from step 1 instead"
            assert told in capsys.readouterr().err
            assert (run / LAST).read_bytes() == (trained / "own" / LAST).read_bytes()
    shutil.rmtree(run / newest)
    with pytest.raises(UserError, match=r"of another run; no other checkpoint .* delete"):
        train("unet", trained / "data", run, resume=True, **OPTIONS)
    shutil.rmtree(run / "checkpoints")  # the mend that it names
    train("unet", trained / "data", run, resume=True, **OPTIONS)
    assert (run / LAST).read_bytes() == (trained / "own" / LAST).read_bytes()


def test_older_runs_are_read_as_before_and_told_once(
    mixed: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = mixed(BEST)
    (run / WRITTEN).unlink()
    for _ in range(2):
        load_checkpoint(run, "cpu")
    assert capsys.readouterr().err.count(f"{WRITTEN} beside it does not tell of it: unchecked") == 1
    config = {key: value for key, value in unsealed(read_config(run)).items() if key != "id"}
    write_json(run / CONFIG, sealed(config))
    for _ in range(2):
        load_checkpoint(run, "cpu")
    told = capsys.readouterr().err
    assert told == f"{run}: weights written before there were checks: unchecked\n"


def test_a_damaged_record_is_told_with_the_mend(mixed: Callable[..., Path]) -> None:
    run = mixed()
    whole = (run / WRITTEN).read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (run / WRITTEN).write_bytes(damaged)
        with pytest.raises(UserError, match=r"weights\.json: .*; take another copy of it, or"):
            refuse_foreign(run / BEST)
    (run / WRITTEN).unlink()
    refuse_foreign(run / BEST)
