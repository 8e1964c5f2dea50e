"""`train` as a whole: what it refuses, what it writes, where its pairs come from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import MadePair
from blurbench.datasets.splits import held_out
from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.models import MODELS, build, model_class
from blurbench.models.parts.weights import load_tensors
from blurbench.models.sp import model as sp
from blurbench.models.umsn import UMSN
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_source
from blurbench.training import train as training
from blurbench.training.checkpoint import checkpoints
from blurbench.training.checks import check_devices, untrained
from blurbench.training.data.opened import open_pairs
from blurbench.training.runner import Runner
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 32}
OPTIONS: dict[str, Any] = {"preset": "tiny", "steps": 2, "device": "cpu", "overrides": SMALL}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "data"
    synthesize(load_recipe("demo"), open_source("builtin:photos"), folder, limit=4)
    return folder


def test_a_finished_run_has_every_file_of_the_contract(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "run", **OPTIONS)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "log.jsonl", "samples", "checkpoints"} <= names
    assert {"model.safetensors", "last.safetensors"} <= names
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"] == "unet"
    assert config["config"]["widths"] == [4, 8]
    assert len(config["data"]["digest"]) == 64


def test_pairs_can_be_blurred_on_the_fly(tmp_path: Path) -> None:
    train("unet", ("demo", "builtin:photos"), tmp_path / "fly", **OPTIONS)
    config = json.loads((tmp_path / "fly" / "config.json").read_text())
    assert config["data"]["recipe"] == "demo"
    assert load_tensors(tmp_path / "fly" / "last.safetensors")


def test_a_run_is_not_overwritten_nor_mixed(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "run", **OPTIONS)
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    with pytest.raises(UserError, match="--resume"):
        train("unet", data, tmp_path / "run", **OPTIONS)
    for changed, told in (
        ({"seed": 1}, "seed 0, not 1"),
        ({"overrides": {**SMALL, "rate": 1}}, r"config\.rate 0\.002, not 1\.0"),
    ):
        with pytest.raises(UserError, match=f"holds a run with {told};"):
            train("unet", data, tmp_path / "run", **(OPTIONS | changed), resume=True)
    train("unet", data, tmp_path / "run", **OPTIONS, resume=True)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        train("unet", data, tmp_path / "run", **OPTIONS)


def test_a_model_that_needs_masks_refuses_photographs(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the mask"):
        train("umsn", data, tmp_path / "run", preset="tiny", steps=4, device="cpu")
    assert not (tmp_path / "run").exists()


def test_missing_weights_are_told_before_the_run_begins(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vgg16-397923af\.pth"):
        train("umsn", ("demo-faces", "builtin:procedural-faces"), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_pairs_of_several_sizes_need_a_crop(tmp_path: Path) -> None:
    options = {**OPTIONS, "overrides": {**SMALL, "crop_size": None, "batch_size": 8}}
    with pytest.raises(UserError, match="crop_size=none"):
        train("unet", ("sev-blurdata", "builtin:photos"), tmp_path / "run", **options)


def test_teachers_and_features_are_loaded_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def counting(load: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: loaded.append(load.__name__) or load(*given)

    for name in ("load_features", "VggFeatures"):
        monkeypatch.setattr(sp, name, counting(getattr(sp, name)))
    overrides = {"perceptual_weight": 0.01, "perceptual_weights": "random", "batch_size": 2}
    options = {**OPTIONS, "overrides": {**overrides, "crop_size": 32}}
    train("sp", data, tmp_path / "run", **options)
    assert sorted(loaded) == ["VggFeatures", "load_features"]


def test_too_few_steps_are_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UMSN, "prepare", lambda _self: pytest.fail("loaded its features"))
    faces = ("demo-faces", "builtin:procedural-faces")
    with pytest.raises(UserError, match="this model has 4 stages"):
        train("umsn", faces, tmp_path / "run", **{**OPTIONS, "steps": 3, "overrides": {}})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shares", [(0, 0, 0, 0), (-1, 0, 0, 1)])
def test_shares_have_to_add_up_to_something(tmp_path: Path, shares: tuple[float, ...]) -> None:
    faces = ("demo-faces", "builtin:procedural-faces")
    options = {"preset": "tiny", "device": "cpu", "overrides": {"shares": shares}}
    with pytest.raises(UserError, match="shares"):
        train("umsn", faces, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_init_starts_from_given_weights(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "first", **OPTIONS)
    train("unet", data, tmp_path / "second", **OPTIONS, init=tmp_path / "first")
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert len(config["init"]) == 64
    other = {**OPTIONS, "overrides": {**SMALL, "widths": (4, 12)}}
    with pytest.raises(UserError, match="another model or preset"):
        train("unet", data, tmp_path / "third", **other, init=tmp_path / "first")
    with pytest.raises(UserError, match="no such file"):
        train("unet", data, tmp_path / "third", **OPTIONS, init=tmp_path / "none")


def test_parts_that_no_stage_trains_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    concert = ("demo", "builtin:photos")
    settings = {"width": 2, "crop_size": 32, "batch_size": 1, "patch_size": 32, "stride": 16}
    options = {**OPTIONS, "steps": 1, "overrides": {**settings, "shares": (0, 1)}}
    train("brmr", concert, tmp_path / "run", **options)
    told = "no stage trains generator and discriminator, left as drawn at random; --init RUN"
    assert told in capsys.readouterr().err
    train("brmr", concert, tmp_path / "more", **options, init=tmp_path / "run")
    assert "as drawn at random" not in capsys.readouterr().err


@pytest.mark.parametrize("name", MODELS)
def test_every_preset_trains_all_that_restores(name: str) -> None:
    for preset in model_class(name).PRESETS:
        with torch.device("meta"):
            assert untrained(build(name, preset)) == [], preset


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"crop_size": 32}, r"crop_size=32: .* crops=128,192,256 in its place"),
        ({"batch_size": 2}, r"batch_size=2: .* batches=4,3,2 in its place"),
    ],
)
def test_what_a_preset_has_crops_for_is_not_set_in_vain(
    data: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    narrow = {"widths": (4, 8), "blocks": (1, 1)}
    options = {**OPTIONS, "preset": "small", "overrides": {**narrow, **changed}}
    with pytest.raises(UserError, match=told):
        train("unet", data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    whole = {**narrow, "crops": "none", "batches": "none", "crop_size": 16, "batch_size": 1}
    train("unet", data, tmp_path / "run", **{**options, "overrides": whole})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"crop_size": 30}, "multiple of 4"),
        ({"crop_size": 10**6}, "4096"),
        ({"widths": (0, 8)}, "widths"),
        ({"rate": "inf"}, "rate: should be"),
    ],
)
def test_settings_that_cannot_train_leave_no_run(
    data: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    options = {**OPTIONS, "overrides": {**SMALL, **changed}}
    with pytest.raises(UserError, match=told):
        train("unet", data, tmp_path / "run", **options)
    with pytest.raises(UserError, match="--device"):
        train("unet", data, tmp_path / "run", **{**OPTIONS, "device": "abacus"})
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_names_the_mend(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "run", **OPTIONS)
    for folder in checkpoints(tmp_path / "run"):
        (folder / "model.safetensors").write_bytes(b"torn")
    mend = r"model\.safetensors: damaged.*no other checkpoint .* is whole.*delete .*/checkpoints to"
    with pytest.raises(UserError, match=mend):
        train("unet", data, tmp_path / "run", **OPTIONS, resume=True)


def test_two_trainings_cannot_share_a_run(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "run", **OPTIONS)
    with locked(tmp_path / "run"), pytest.raises(UserError, match="another process"):
        train("unet", data, tmp_path / "run", **OPTIONS, resume=True)


@pytest.mark.parametrize(
    ("batch", "told"),
    [(10**9, "batch_size=1000000000: .* at least"), (40_000, "a step of 40000 crops of 32 px")],
)
def test_a_batch_that_memory_would_not_hold_is_refused(
    data: Path, tmp_path: Path, batch: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("checks", "cost"):
        monkeypatch.setattr(f"blurbench.training.{module}.budget", lambda: 2 * 10**9)
    options = {**OPTIONS, "overrides": {**SMALL, "batch_size": batch}}
    with pytest.raises(UserError, match=rf"{told} .* 2\.0 GB are free"):
        train("unet", data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_what_is_written_while_it_waited_for_the_lock_is_not_mixed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another training begins between the first look at the folder and the lock."""
    run, checked = tmp_path / "run", training.check_looks

    def meanwhile(*given: Any) -> None:
        monkeypatch.setattr(training, "check_looks", checked)
        train("unet", data, run, **{**OPTIONS, "seed": 1})
        checked(*given)

    monkeypatch.setattr(training, "check_looks", meanwhile)
    with pytest.raises(UserError, match="already holds a run"):
        train("unet", data, run, **OPTIONS)
    shutil.rmtree(run)
    monkeypatch.setattr(training, "check_looks", meanwhile)
    with pytest.raises(UserError, match="another process has just written here"):
        train("unet", data, run, **OPTIONS, resume=True)
    assert json.loads((run / "config.json").read_text())["seed"] == 1


def test_compiling_without_a_compiler_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    options = {**OPTIONS, "overrides": {**SMALL, "compile": True}}
    with pytest.raises(UserError, match="CXX"):
        train("unet", data, tmp_path / "run", **options)


def test_more_processes_than_pictures_in_a_batch_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size=2.*3 processes"):
        train("unet", data, tmp_path / "run", **OPTIONS, processes=3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("device", "processes"), [("cuda", 3), ("cuda:1", 2)])
def test_several_processes_take_a_gpu_each(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, processes: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    options = {**OPTIONS, "device": device, "overrides": {**SMALL, "batch_size": 3}}
    with pytest.raises(UserError, match=rf"--processes {processes}: .*here are 2"):
        train("unet", data, tmp_path / "run", **options, processes=processes)
    assert not (tmp_path / "run").exists()
    check_devices(torch.device("cuda"), 2)
    check_devices(torch.device("cuda:1"), 1)
    check_devices(torch.device("cpu"), 64)


def test_a_step_that_takes_too_much_memory_names_the_mends(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Runner, "step", step)
    with pytest.raises(UserError, match="accumulate=2"):
        train("unet", data, tmp_path / "run", **OPTIONS)


def test_a_crop_that_is_too_small_for_a_network_names_the_mend(data: Path, tmp_path: Path) -> None:
    small = {**OPTIONS, "overrides": {"batch_size": 1, "crop_size": 32}}
    with pytest.raises(UserError, match="larger crop_size"):
        train("udeconv", data, tmp_path / "run", **small)


def test_the_test_split_is_not_read(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "test")
    assert (tmp_path / "data" / "val").is_dir()
    train("unet", tmp_path / "data", tmp_path / "run", **OPTIONS)


def test_the_test_split_is_not_blurred_on_the_fly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    pair = OnTheFlyDataset.pair

    def watched(self: OnTheFlyDataset, index: int, replica: int) -> MadePair:
        read.add(self.split)
        return pair(self, index, replica)

    monkeypatch.setattr(OnTheFlyDataset, "pair", watched)
    train("unet", ("demo", "builtin:photos"), tmp_path / "fly", **OPTIONS)
    assert read == {"train", "val"}


@pytest.fixture(scope="module")
def no_val(data: Path) -> Path:
    """Several replicas of each picture, and no val split."""
    folder = data.parent / "no-val"
    recipe = load_recipe("demo")
    fields = {"replicas": recipe.replicas.model_copy(update={"train": 2})}
    made = recipe.model_copy(update=fields)
    synthesize(made, open_source("builtin:photos"), folder, limit=4)
    shutil.rmtree(folder / "val")
    path = folder / "dataset.json"
    held = json.loads(path.read_text())
    del held["counts"]["val"]
    del held["sha256"]  # as who edits it must
    path.write_text(json.dumps(held))
    return folder


def test_without_a_val_split_the_run_says_what_it_keeps(
    no_val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("unet", no_val, tmp_path / "run", **OPTIONS).best_metric is None
    assert "no val split: the last weights are what it keeps" in capsys.readouterr().err
    options = {**OPTIONS, "overrides": {**SMALL, "patience": 1}}
    with pytest.raises(UserError, match=r"patience=1: .*--hold-out"):
        train("unet", no_val, tmp_path / "other", **options)
    assert not (tmp_path / "other").exists()


def test_a_share_of_the_sources_is_held_out_and_on_record(
    no_val: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest, held = open_pairs(no_val, 0, 0.3)
    assert held is not None
    assert not {*rest.groups()} & {*held.groups()}
    assert len(rest) + len(held) == len(BlurDataset(no_val, "train"))
    assert len(held) == 2 * len({*held.groups()})  # replicas stay together
    run = tmp_path / "run"
    done = train("unet", no_val, run, **OPTIONS, hold_out=0.3)
    assert done.best_metric is not None
    assert f"{done.best_metric:.2f} dB, " in str(done)
    assert "over blurred" in str(done)
    assert "no val split" not in capsys.readouterr().err
    assert json.loads((run / "config.json").read_text())["hold_out"] == 0.3
    train("unet", no_val, run, **OPTIONS, hold_out=0.3, resume=True)
    for other in ({}, {"hold_out": 0.4}):
        with pytest.raises(UserError, match="holds a run with hold_out"):
            train("unet", no_val, run, **OPTIONS, **other, resume=True)
    with pytest.raises(UserError, match="--hold-out: this data has a val split"):
        train("unet", data, tmp_path / "other", **OPTIONS, hold_out=0.3)


def test_sources_blurred_on_the_fly_are_held_out_too() -> None:
    pairs, _ = open_pairs(("demo-faces", "builtin:procedural-faces"), 0)
    held = held_out(pairs.groups(), 0.3)
    judged, kept = pairs.only(sorted(held)), pairs.only([*{*range(len(pairs))} - held])
    assert len(kept) + len(judged) == len(pairs)
    assert len({pairs.digest, kept.digest, judged.digest}) == 3
    assert judged[0]["id"] == pairs[min(held)]["id"]


def test_samples_of_steps_that_will_not_be_are_refused(data: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "overrides": {**SMALL, "sample_at": "2,3"}}
    with pytest.raises(UserError, match="sample_at=3: this run has steps 1 to 2"):
        train("unet", data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_run_of_progressive_crops(data: Path, tmp_path: Path) -> None:
    crops = {"crops": "16,32", "batches": "3,1", "turns": True, "checkpointing": True}
    train("unet", data, tmp_path / "run", **{**OPTIONS, "overrides": {**SMALL, **crops}})
    for field, value in ("crops", "16,30"), ("batches", "2,1,1"):
        options = {**OPTIONS, "overrides": {**SMALL, **crops, field: value}}
        with pytest.raises(UserError, match=field):
            train("unet", data, tmp_path / "other", **options)
