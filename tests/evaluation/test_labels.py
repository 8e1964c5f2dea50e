"""Metrics that need labels or networks of the user's, on made data sets."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.evaluation.evaluate import evaluate
from blurbench.evaluation.labels import check_tools, identify
from blurbench.evaluation.restorers import Identity
from blurbench.metrics import METRICS


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder a person: five people, four noisy pictures of each."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for person in range(5):
        face = np.kron(rng.integers(40, 216, (9, 9, 3)), np.ones((20, 20, 1)))
        for number in range(4):
            noisy = np.clip(face + rng.normal(0, 9, face.shape), 0, 255).astype(np.uint8)
            (root / f"p{person}").mkdir(exist_ok=True)
            cv2.imwrite(str(root / f"p{person}" / f"{number}.png"), noisy)
    return root


@pytest.fixture(scope="module")
def recognition(people, tmp_path_factory):
    out = tmp_path_factory.mktemp("recognition")
    recipe = out / "few.toml"
    recipe.write_text(
        'name = "few"\ntitle = "Few"\nsource = "made up"\ncitation = "none"\nlicence = "none"\n'
        'provenance = "none"\nlabels = ["identity"]\n[recognition]\nprobes = 5\ngallery = 3\n'
        '[replicas]\ntest = 2\n[blur]\nfamily = "gaussian"\nsigma = [1.0, 3.0]\n'
    )
    done = CliRunner().invoke(
        cli, ["synthesize", str(recipe), "--source", str(people), "--out", str(out / "data")]
    )
    assert done.exit_code == 0, done.output
    return out / "data"


def test_probes_are_recognised_among_the_gallery(recognition, tmp_path):
    summary = evaluate(
        recognition,
        tmp_path / "result",
        restore=Identity(),
        name="identity",
        metrics=("top-1", "top-3", "psnr"),
        using={"embedding": "pixels"},
    )
    assert summary.images == 10  # five probes, twice; the 15 gallery pictures are not scored
    assert summary.means["top-1"] == summary.means["top-3"] == 1.0
    assert summary.means["psnr"] < 60
    header = json.loads((tmp_path / "result/summary.json").read_text())
    assert header["using"] == {"embedding": "pixels"}


def test_another_tool_is_another_result(recognition, tmp_path):
    settings = {"restore": Identity(), "name": "identity", "metrics": ("top-1",)}
    evaluate(recognition, tmp_path / "r", using={"embedding": "pixels"}, **settings)
    file = tmp_path / "weights.pt2"
    file.write_bytes(b"x")
    with pytest.raises(UserError, match=r"weights\.pt2"):
        evaluate(recognition, tmp_path / "r", using={"embedding": str(file)}, **settings)
    assert identify(str(file)).startswith("weights.pt2 ")


@pytest.mark.parametrize(
    ("metrics", "using", "message"),
    [
        (["top-1"], {}, "top-1 needs --using embedding=..., which recognises faces"),
        (["psnr"], {"fork": "1"}, "--using fork: unknown; known: segmenter"),
        (["f-score-hair"], {}, "f-score-hair needs --using segmenter"),
    ],
)
def test_tools_are_asked_for(metrics, using, message):
    with pytest.raises(UserError, match=message):
        check_tools(using, {need for name in metrics for need in METRICS[name].needs}, metrics)


def test_missing_labels_are_told(recognition, tmp_path):
    with pytest.raises(UserError, match="psnr-hair needs the mask of every picture; recipe few"):
        evaluate(recognition, tmp_path / "x", restore=Identity(), name="i", metrics=("psnr-hair",))


def test_the_command_line_takes_tools(recognition, tmp_path):
    words = ["evaluate", "--data", str(recognition), "--out", str(tmp_path / "r"), "--identity"]
    done = CliRunner().invoke(cli, [*words, "--metrics", "top-5", "--using", "embedding=pixels"])
    assert done.exit_code == 0, done.output
    assert "Top-5 1.000" in done.output


def test_runs_find_classes_and_squares():
    """A detector and a segmenter are runs of models that have the method; others are refused."""
    from blurbench.evaluation.labels import detector, segmenter
    from blurbench.inference.deblur import TrainedModel
    from blurbench.models import build

    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    igan = build("igan", preset="tiny")
    run = TrainedModel("igan", igan, next(igan.parameters()).device, {})
    box = detector(run)(image, 32)
    assert tuple(box)[2:] == (32, 32)
    assert 0 <= box[0] <= 64
    assert 0 <= box[1] <= 32
    umsn = build("umsn", preset="tiny")
    labels = segmenter(TrainedModel("umsn", umsn, next(umsn.parameters()).device, {}))(image)
    assert labels.shape == (64, 96)
    assert set(np.unique(labels)) <= {0, 1, 2, 3}
