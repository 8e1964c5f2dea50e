"""What may be wanted from outside: told whole, with places and names that hold."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torchvision import models

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.metrics import METRICS
from blurbench.metrics.needs import files_of, lacking
from blurbench.metrics.table import LITE0, PYIQA
from blurbench.models import MODELS, build, model_class
from blurbench.models.base import Model
from blurbench.weights.entries import Page, Url
from blurbench.weights.places import PLACES, Needed, missing, named, paths_of, present
from blurbench.weights.registry import OF_METRICS, OUTSIDE, fetched_as, find

# Metrics of pyiqa that need no file.
BARE = {"fsim", "vsi", "vif", "gmsd", "nlpd", "mad", "ms_ssim", "cw_ssim", "piqe"}


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of PyTorch's, and of Hugging Face's."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_entry_is_whole(name):
    entry = OUTSIDE[name]
    assert entry.what
    assert entry.licence
    assert entry.place in PLACES
    assert len(entry.members) in (0, len(entry.files))
    assert not any(Path(file).is_absolute() or ".." in file for file in entry.files)
    assert set(entry.sha256) <= set("0123456789abcdef")
    if isinstance(entry.origin, Url):
        assert entry.origin.address.startswith("https://")
    # What was fetched once is known to the last bit.
    assert len(entry.sha256) == 64 if entry.tried else len(entry.sha256) in (0, 8)


def test_every_metric_that_reads_a_file_is_told_of():
    theirs = {name for name, metric in METRICS.items() if metric.function in (PYIQA, LITE0)}
    assert theirs == OF_METRICS.keys() | BARE
    assert {name for names in OF_METRICS.values() for name in names} <= OUTSIDE.keys()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("umsn", {"vgg16"}),
        ("shen-face", {"vgg16"}),
        ("deblurgan", {"vgg19"}),
        ("sp", {"vgg19", "tresnet-l"}),
    ],
)
def test_files_that_presets_want_can_be_fetched(model, names):
    with torch.device("meta"):
        files = build(model, "paper").files()
    assert {needed.name for needed in files} == names
    assert all(needed.path in paths_of(find(needed.name)) for needed in files)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_trunks_of_captioners_can_be_fetched(name):
    url = models.get_model_weights(name).IMAGENET1K_V1.url
    assert find(name).origin == Url(url)
    assert paths_of(find(name))[0].name == url.rpartition("/")[2]


def test_presets_want_what_is_told_of_them():
    """No preset names a file that models do not tell of."""
    known = {"perceptual_weights", "resnet_weights", "teacher_weights"}
    for model in MODELS:
        fields = model_class(model).Config.model_fields
        texts = {n for n, f in fields.items() if n.endswith("_weights") and f.annotation is str}
        assert texts <= known
        assert not texts or model_class(model).files is not Model.files


def test_names_come_from_files():
    assert fetched_as("vgg19-dcbb9e9d.pth") == "vgg19"
    assert fetched_as("nobody-s.pth") == ""
    assert find("torchvision:vgg16").sha256 == "397923af"
    with pytest.raises(UserError, match="torchvision has no such network"):
        find("torchvision:nothing")
    with pytest.raises(UserError, match="weights list"):
        find("nothing")


def test_what_lies_there_is_present():
    entry = OUTSIDE["dlib-face"]
    first, second = paths_of(entry)
    first.parent.mkdir(parents=True)
    first.touch()
    assert not present(entry)
    second.touch()
    assert present(entry)
    assert named(Path("dlib-face")) == first
    with pytest.raises(UserError, match="not here yet; run: blurbench weights fetch umsn"):
        named(Path("umsn"))


def test_a_file_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "umsn").touch()
    assert named(Path("umsn")) == Path("umsn")


def test_all_that_is_missing_is_told_at_once():
    needed = files_of(["psnr", "lpips", "dists", "lpips-vgg"], {"embedding": "dlib-face"})
    lines = missing(needed)
    fetched = ["alexnet", "lpips-alex", "vgg16", "dists", "lpips-vgg"]
    assert [line.rpartition(" ")[2] for line in lines] == [*fetched, "dlib-face", "dlib-face"]
    settings = ["lpips", "lpips", "dists, lpips-vgg", "dists", "lpips-vgg"]
    assert [each.setting.partition(" ")[2] for each in needed[:5]] == settings
    assert files_of(["dists"], {})[0].setting == "metric dists"
    assert lacking()["dists"] == ["vgg16", "dists"]
    here = paths_of(OUTSIDE["vgg16"])[0]
    here.parent.mkdir(parents=True)
    here.touch()
    assert len(missing(needed)) == len(lines) - 1
    assert lacking()["dists"] == ["dists"]


def test_a_missing_file_names_every_mend():
    needed = Needed("a=b", Path("/nowhere/w.pth"), "vgg16", "go on without")
    with pytest.raises(UserError) as error:
        needed.read_from()
    told = "a=b: /nowhere/w.pth is missing; run: blurbench weights fetch vgg16, or go on without"
    assert str(error.value) == told
    assert Needed("a=b", Path("/nowhere/w.pth")).line() == "a=b: /nowhere/w.pth is missing"


def invoked(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["weights", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value, done.output


def test_check_tells_all_that_a_training_lacks():
    code, told = invoked("check", "train", "--model", "sp")
    assert code == 1
    assert told.count("missing: ") == 2
    assert "fetch vgg19" in told
    assert "fetch tresnet-l" in told
    assert invoked("check", "train", "--model", "unet", "--preset", "tiny")[0] == 0
    code, told = invoked("check", "train", "--model", "umsn", "--set", "perceptual_weights=w.pth")
    assert code == 1
    assert "w.pth is missing" in told
    assert "fetch" not in told


def test_check_tells_all_that_an_evaluation_lacks():
    code, told = invoked("check", "evaluate", "--metrics", "psnr,lpips,top-1,f-score-skin")
    assert code == 1
    assert told.count("missing: ") == 4
    assert "--using embedding" in told
    assert "--using segmenter" in told
    words = ("check", "evaluate", "--metrics", "psnr,top-1", "--using", "embedding=pixels")
    assert invoked(*words)[0] == 0


def test_check_tells_what_a_deblurring_lacks(tmp_path):
    assert invoked("check", "deblur") == (0, "nothing is missing; it reads 1 file of weights\n")
    code, told = invoked("check", "deblur", "--checkpoint", "restormer-motion")
    assert code == 1
    assert "run: blurbench weights fetch restormer-motion" in told
    words = ("check", "train", "--model", "unet", "--preset", "tiny", "--init", "umsn")
    assert "fetch umsn" in invoked(*words)[1]
    code, told = invoked("check", "deblur", "--checkpoint", str(tmp_path / "w.pth"))
    assert (code, told) == (
        1,
        f"missing: --checkpoint {tmp_path}/w.pth: {tmp_path}/w.pth is missing\n",
    )
    (tmp_path / "run").mkdir()  # what it lacks, deblur tells
    assert invoked("check", "deblur", "--checkpoint", str(tmp_path / "run"))[0] == 0


def test_check_tells_what_a_reproduction_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("check", "reproduce", "umsn-5", "--data-root", str(tmp_path))
    code, told = invoked(*words)
    assert code == 1
    assert "umsn-recognition: no such folder" in told
    assert "umsn: perceptual_weights=imagenet" in told
    assert "put a .pt2 or VGG16's there, or run: blurbench weights fetch dlib-face" in told
    for path in paths_of(OUTSIDE["dlib-face"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert "dlib-face" not in invoked(*words)[1]
    assert invoked("check", "reproduce", "umsn-5", "--scale", "demo") == (0, "nothing is missing\n")
    assert "tf_efficientnet_lite0.pth: lies below" in invoked("check", "reproduce", "study-sp")[1]
    board = CliRunner().invoke(cli, ["weights", "check", "reproduce", "board-faces"])
    assert "Of tables and studies; for board-faces" in board.output
    assert not list(tmp_path.glob(".claims"))


def test_the_list_shows_terms_and_what_nobody_tried():
    _, told = invoked("list")
    assert all(name in told for name in OUTSIDE)
    assert "https*" in told
    assert all(isinstance(OUTSIDE[n].origin, Page) for n in ("umsn", "vgg-face"))
    assert "by hand*" in told
    _, told = invoked("list", "maxim-gopro", "vgg16")
    assert OUTSIDE["maxim-gopro"].sha256 in told
    assert "(as its makers publish it; not tried)" in told


def test_where_says_whose_folder_it_is(hub):
    _, told = invoked("where")
    assert str(hub / "checkpoints") in told.replace("\n", "")
    assert "what ships: scene" in " ".join(told.split())
