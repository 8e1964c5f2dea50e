"""Weights that ship: files as the registry tells, small, with cards; `deblur` takes them."""

import gzip
import json
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from blurbench.cli import cli
from blurbench.commands import doctor
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.inference import files, restoring
from blurbench.models import build
from blurbench.models.parts.weights import save_tensors
from blurbench.runs import devices
from blurbench.runs.load import load_checkpoint, owner_of_checkpoint, resolved
from blurbench.runs.seen import read_seen
from blurbench.scoring.restorers import trained
from blurbench.weights import shipped
from blurbench.weights.fetch import fetch
from blurbench.weights.listing import state_of_ours
from blurbench.weights.shipped import DATA, LICENCE, MOST_BYTES, SHIPPED, is_shipped, shipped_as

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"width": 8, "encoder": [1, 1, 1, 1]}


@pytest.mark.parametrize("name", SHIPPED)
def test_files_are_those_of_the_registry(name):
    entry = SHIPPED[name]
    path = DATA / entry.file
    assert path.is_file() == bool(entry.sha256)
    if entry.sha256:
        assert sha256(path.read_bytes()) == entry.sha256
        card = (DATA / entry.card).read_text(encoding="utf-8")
        assert entry.sha256 in card
        assert "TODO" not in card
        assert (DATA / f"{name}.sources.txt.gz").is_file()
        load_checkpoint(Path(name), "cpu")


def test_a_damaged_one_is_told_in_the_list_and_by_the_doctor(monkeypatch, tmp_path):
    name = "scene"
    assert state_of_ours(name) == "here"
    monkeypatch.setattr("blurbench.weights.listing.DATA", tmp_path)
    assert state_of_ours(name) == "missing"
    whole = bytearray((DATA / SHIPPED[name].file).read_bytes())
    whole[-1] ^= 1
    (tmp_path / SHIPPED[name].file).write_bytes(whole)
    assert state_of_ours(name) == "damaged"
    assert doctor.shipped()[1] == "scene (damaged)"


def test_they_are_small_and_nothing_else_lies_there():
    files = [path for path in DATA.iterdir() if path.is_file()]
    known = {file for e in SHIPPED.values() for file in (e.file, e.card)}
    known |= {LICENCE, *(f"{name}.sources.txt.gz" for name in SHIPPED)}
    assert {path.name for path in files} <= known
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) <= MOST_BYTES
    assert LICENCE in {path.name for path in files}


def test_the_wheel_holds_them():
    """Hatch takes all of a package but what git ignores."""
    build_table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "blurbench" in build_table["targets"]["wheel"]["packages"]
    assert not {"exclude", "only-include"} & (
        build_table.keys() | build_table["targets"]["wheel"].keys()
    )
    ignored = (ROOT / ".gitignore").read_text().split()
    assert not [line for line in ignored if "safetensors" in line or line.strip("/") == "data"]


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder of untrained weights `scene` in the place of what ships."""
    folder = tmp_path / "data"
    folder.mkdir()
    torch.manual_seed(0)
    state = build("nafnet", "tiny", **SMALL).state_dict()
    save_tensors(folder / "scene.safetensors", {key: x.half() for key, x in state.items()})
    digest = sha256((folder / "scene.safetensors").read_bytes())
    entry = replace(SHIPPED["scene"], model="nafnet", preset="tiny", config=SMALL, sha256=digest)
    monkeypatch.setitem(SHIPPED, "scene", entry)
    monkeypatch.setattr(shipped, "DATA", folder)
    return folder


def picture(path: Path, side: int = 32) -> Path:
    path.parent.mkdir(exist_ok=True)
    levels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(levels).save(path)
    return path


def deblur(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["deblur", *map(str, words)], standalone_mode=False)
    if isinstance(done.exception, UserError):
        return 2, str(done.exception)
    assert done.exception is None, done.exception
    return done.return_value, done.output


def test_a_picture_alone_is_restored_beside_itself_and_nothing_is_written_over(own, tmp_path):
    photo = picture(tmp_path / "in" / "photo.png")
    before = photo.read_bytes()
    code, told = deblur(photo)
    assert code == 0
    assert "by the weights scene" in told
    assert str(own / "scene.md") in told
    first = (tmp_path / "in" / "photo-deblurred.png").read_bytes()
    assert deblur(photo)[0] == 0
    names = sorted(path.name for path in (tmp_path / "in").iterdir())
    assert names == ["photo-deblurred-2.png", "photo-deblurred.png", "photo.png"]
    assert photo.read_bytes() == before
    assert (tmp_path / "in" / "photo-deblurred.png").read_bytes() == first
    assert deblur(photo, "--checkpoint", "scene", "--out", tmp_path / "there.png")[0] == 0


@pytest.mark.usefixtures("own")
def test_a_folder_is_gone_on_with_by_the_same_weights_alone(tmp_path):
    picture(tmp_path / "in" / "a.png")
    deblur(tmp_path / "in")
    made = tmp_path / "in-deblurred" / "a.png"
    times = made.stat().st_mtime_ns
    picture(tmp_path / "in" / "b.png", 40)
    _, told = deblur(tmp_path / "in")
    assert "1 of them were there already" in told
    assert made.stat().st_mtime_ns == times
    # By others, it is another folder.
    words = ("--model", "nafnet", "--preset", "tiny")
    save_tensors(tmp_path / "w.safetensors", build("nafnet", "tiny").state_dict())
    assert deblur(tmp_path / "in", "--checkpoint", tmp_path / "w.safetensors", *words)[0] == 0
    assert (tmp_path / "in-deblurred-2" / "b.png").is_file()
    assert made.stat().st_mtime_ns == times


@pytest.mark.usefixtures("own")
def test_they_compute_in_bfloat16_where_the_processor_does(tmp_path, monkeypatch):
    picture(tmp_path / "in" / "a.png")
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((shipped.DATA / "scene.safetensors").read_bytes())
    made: dict[tuple[str, str | None], bool] = {}
    for unit in (None, "amx"):
        monkeypatch.setattr(devices, "bf16_unit", lambda _device, unit=unit: unit)
        for name in ("scene", str(copy)):
            monkeypatch.setattr(files, "restore_all", note(made, (name, unit)))
            out = tmp_path / f"{unit}-{Path(name).stem}"
            told = deblur(tmp_path / "in", "--checkpoint", name, "--out", out)[1]
            assert ("bfloat16 (amx)" in told) == made[(name, unit)]
    # A copy's pictures are those that `evaluate` scores.
    assert made == {
        ("scene", None): False,
        (str(copy), None): False,
        ("scene", "amx"): True,
        (str(copy), "amx"): False,
    }


def note(made, key):
    def restore_all(model, *words):
        made[key] = model.bf16
        return restoring.restore_all(model, *words)

    return restore_all


@pytest.mark.parametrize("name", SHIPPED)
def test_training_goes_on_from_them_without_a_model(name):
    entry, owner = SHIPPED[name], owner_of_checkpoint(resolved(Path(name)))
    assert (owner.model, owner.preset) == (entry.model, entry.preset)
    assert owner.fields == {key: x for key, x in entry.config.items() if key != "precision"}


def test_there_is_nothing_to_fetch(own):
    assert fetch("scene") == f"scene: already here, {own / 'scene.safetensors'}"


@pytest.mark.usefixtures("own")
def test_half_precision_becomes_single():
    loaded = load_checkpoint(Path("scene"), "cpu")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loaded.provenance["run"] == "scene"
    assert loaded.provenance["config"]["width"] == 8
    assert loaded.again is not None
    again = loaded.again()
    assert again.provenance == loaded.provenance
    json.dumps(loaded.provenance)


def test_a_changed_or_missing_file_is_refused(own, tmp_path, monkeypatch):
    path = own / "scene.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="not the file that was shipped"):
        load_checkpoint(Path("scene"))
    path.unlink()
    code, told = deblur(picture(tmp_path / "in" / "a.png"))
    assert code == 2
    assert "install blurbench anew" in told
    monkeypatch.setitem(SHIPPED, "scene", replace(SHIPPED["scene"], sha256=""))
    assert "a development checkout has none" in deblur(tmp_path / "in" / "a.png")[1]


@pytest.mark.usefixtures("own")
def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_shipped(Path("scene"))
    assert not is_shipped(Path("./other/scene"))
    (tmp_path / "scene").mkdir()
    assert not is_shipped(Path("scene"))
    with pytest.raises(UserError, match="scene: not a run of blurbench train"):
        load_checkpoint(Path("scene"))


@pytest.mark.usefixtures("own")
def test_another_model_or_a_name_that_is_none_is_refused(tmp_path):
    source = picture(tmp_path / "in" / "a.png")
    code, told = deblur(source, "--model", "unet")
    assert code == 2
    assert "scene: weights that ship know their model; leave out --model" in told
    code, told = deblur(source, "--checkpoint", "scen")
    assert code == 2
    assert "scen: no such run or file of weights (did you mean scene?); scene and face ship" in told


def test_what_they_have_seen_is_known_where_it_lies_beside_them(own):
    with pytest.raises(UserError, match="came without their sources"):
        read_seen(Path("scene"))
    (own / "scene.sources.txt.gz").write_bytes(gzip.compress(b"abc train\ndef val\n"))
    assert read_seen(Path("scene")).sources == {"abc": "train", "def": "val"}


def test_rows_of_them_bear_their_name():
    assert trained(Path("scene"), None, "cpu").name == "scene"
    assert trained(Path("scene"), "mine", "cpu").name == "mine"


def test_a_copy_elsewhere_is_known_without_a_model(own, tmp_path, capsys):
    """Its sizes are no preset's, and names and shapes alone do not tell the norm."""
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes((own / "scene.safetensors").read_bytes())
    assert shipped_as(copy) == "scene"
    found, wanted = load_checkpoint(copy, "cpu"), load_checkpoint(Path("scene"), "cpu")
    assert f"{copy}: a copy of scene" in capsys.readouterr().err
    blur = torch.rand(1, 3, 64, 64)
    assert torch.equal(found.model.deblur(blur), wanted.model.deblur(blur))
    assert found.provenance["weights"] == wanted.provenance["weights"]
    copy.write_bytes(copy.read_bytes()[:-1] + b"\1")
    assert shipped_as(copy) == ""
    assert shipped_as(tmp_path / "none.safetensors") == ""
