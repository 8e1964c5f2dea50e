"""Metrics that need labels or networks of the user's, on made data sets."""

import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from skimage.metrics import structural_similarity

from blurbench.cli import cli
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.metrics import METRICS
from blurbench.metrics.classes import FACE_CLASSES
from blurbench.models import build
from blurbench.recipes.recipe import Images, Replicas, load_recipe
from blurbench.runs.trained import TrainedModel
from blurbench.scoring import tools
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity
from blurbench.scoring.tools import check_tools, identify
from blurbench.sources.open import open_for
from blurbench.weights.places import paths_of
from blurbench.weights.registry import OUTSIDE


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
        open_data(recognition),
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
    evaluate(open_data(recognition), tmp_path / "r", using={"embedding": "pixels"}, **settings)
    file = tmp_path / "weights.pt2"
    file.write_bytes(b"x")
    with pytest.raises(UserError, match=r"weights\.pt2"):
        evaluate(open_data(recognition), tmp_path / "r", using={"embedding": str(file)}, **settings)
    assert identify(str(file)).startswith("weights.pt2 ")


def test_named_weights_leave_their_hash(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    for path in paths_of(OUTSIDE["dlib-face"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert identify("dlib-face") == f"dlib-face {hashlib.sha256(b'x').hexdigest()[:12]}"


@pytest.mark.parametrize(
    ("metrics", "using", "message"),
    [
        (["top-1"], {}, "top-1 needs --using embedding=..., which recognises faces"),
        (["psnr"], {"fork": "1"}, "--using fork: unknown; known: segmenter"),
        (["f-score-hair"], {}, "f-score-hair needs --using segmenter"),
        (["found-face-distance"], {"embedding": "pixels"}, "needs --using faces=..., which finds"),
    ],
)
def test_tools_are_asked_for(metrics, using, message):
    with pytest.raises(UserError, match=message):
        check_tools(using, {need for name in metrics for need in METRICS[name].needs}, metrics)


def test_a_network_that_cannot_take_the_gallery_is_told_in_one_line(
    recognition, tmp_path, monkeypatch
):
    def refuse(_image):
        raise RuntimeError("expected 96 px\nand more")

    monkeypatch.setattr(tools, "load_features", lambda _: refuse)
    with pytest.raises(UserError, match=r"net does not fit these pictures: expected 96 px$"):
        evaluate(
            open_data(recognition),
            tmp_path / "r",
            restore=Identity(),
            name="identity",
            metrics=("top-1",),
            using={"embedding": "net"},
        )


def test_missing_labels_are_told(recognition, tmp_path):
    with pytest.raises(UserError, match="psnr-hair needs the mask of every picture; recipe few"):
        evaluate(
            open_data(recognition),
            tmp_path / "x",
            restore=Identity(),
            name="i",
            metrics=("psnr-hair",),
        )


def test_the_command_line_takes_tools(recognition, tmp_path):
    words = ["evaluate", "--data", str(recognition), "--out", str(tmp_path / "r"), "--identity"]
    done = CliRunner().invoke(cli, [*words, "--metrics", "top-5", "--using", "embedding=pixels"])
    assert done.exit_code == 0, done.output
    assert "Top-5 1.000" in done.output


def test_runs_find_classes_and_squares():
    """A detector and a segmenter are runs of models that have the method; others are refused."""
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    igan = build("igan", preset="tiny")
    run = TrainedModel("igan", igan, next(igan.parameters()).device, {})
    box = tools.detector(run)(image, 32)
    assert tuple(box)[2:] == (32, 32)
    assert 0 <= box[0] <= 64
    assert 0 <= box[1] <= 32
    umsn = build("umsn", preset="tiny")
    run = TrainedModel("umsn", umsn, next(umsn.parameters()).device, {})
    found = tools.segmenter(run)(image)
    assert found.shape == (64, 96)
    assert set(np.unique(found)) <= {0, 1, 2, 3}


def made(name, source, out, **changes):
    """A shipped recipe's data set, smaller."""
    recipe = load_recipe(name).model_copy(update=changes)
    synthesize(recipe, open_for(recipe, str(source)), out)
    return out


def test_classes_of_real_faces_against_plain_sums(shared, tmp_path):
    source = shared / "data" / "faces" / "celebamask"
    few = {"images": Images(train=0, val=0, test=4), "replicas": Replicas(test=1)}
    data = made("umsn-faces-test", source, tmp_path / "data", **few)
    names = [f"{metric}-{part}" for metric in ("psnr", "ssim") for part in FACE_CLASSES]
    evaluate(open_data(data), tmp_path / "r", restore=Identity(), name="identity", metrics=names)
    rows = list(read_jsonl(tmp_path / "r" / "results.jsonl"))
    assert len(rows) == 4
    for row in rows:
        files = [data / "test" / role / f"{row['id']}.png" for role in ("blur", "sharp", "mask")]
        blur, sharp, mask = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files)
        for number, part in enumerate(FACE_CLASSES):
            assert (mask == number).any()
            x, y = (np.where((mask == number)[..., None], image, 0) for image in (blur, sharp))
            error = np.mean((x.astype(float) - y) ** 2)
            assert row["metrics"][f"psnr-{part}"] == pytest.approx(10 * np.log10(255**2 / error))
            theirs = structural_similarity(
                y, x, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
            )
            assert row["metrics"][f"ssim-{part}"] == pytest.approx(theirs, abs=1e-4)


def test_squares_of_partly_blurred_stills_against_counted_pixels(tmp_path, monkeypatch):
    few = {"images": Images(train=0, val=0, test=2), "replicas": Replicas(train=1, test=3)}
    data = made("concert-partial", "builtin:photos", tmp_path / "data", **few)
    igan = build("igan", preset="tiny").eval()
    run = TrainedModel("igan", igan, next(igan.parameters()).device, {})
    monkeypatch.setattr(tools, "load_checkpoint", lambda *_: run)
    done = evaluate(
        open_data(data),
        tmp_path / "r",
        restore=Identity(),
        name="identity",
        metrics=("region-iou",),
        using={"detector": "run"},
    )
    [note] = done.notes
    assert "without blur_negatives" in note
    learnt = build("igan", preset="tiny", blur_negatives=True)
    monkeypatch.setattr(tools, "load_checkpoint", lambda *_: replace(run, model=learnt))
    inputs = tools.MetricInputs(open_data(data), ["region-iou"], {"detector": "run"})
    assert not inputs.notes
    boxes = {row["id"]: row["box"] for row in read_jsonl(data / "test" / "metadata.jsonl")}
    rows = list(read_jsonl(tmp_path / "r" / "results.jsonl"))
    assert len(rows) == 6
    for row in rows:
        blur = cv2.imread(str(data / "test" / "blur" / f"{row['id']}.png"))[..., ::-1]
        inked = []
        box = boxes[row["id"]]
        for left, top, width, height in (box, tools.detector(run)(blur, box[2])):
            canvas = np.zeros(blur.shape[:2], bool)
            canvas[top : top + height, left : left + width] = True
            inked.append(canvas)
        wanted = (inked[0] & inked[1]).sum() / (inked[0] | inked[1]).sum()
        assert row["metrics"]["region-iou"] == pytest.approx(wanted)
