"""From captioned pictures to a trained run, and to sentences for pictures, through the files."""

import json
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_data import flow_recipe, picture, write_photos

from benchmarks import s3e
from blurbench import drawing
from blurbench.captions.trees import NODES
from blurbench.captions.vocabulary import read as read_vocabulary
from blurbench.commands.captions import captions
from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.inference import captions as describe
from blurbench.inference.caption_sheet import Described, alone_right, caption_sheet
from blurbench.inference.captions import generate
from blurbench.models.captioners.resnet import squared
from blurbench.runs.load import load_run
from blurbench.schemas.seals import sealed
from blurbench.scoring import captions as captioning
from blurbench.scoring.nodes import node_accuracy
from blurbench.scoring.restorers import trained
from blurbench.sources.open import open_for
from blurbench.training.train import train

# They share five trained captioners: 10 s in all.
pytestmark = pytest.mark.slow

SENTENCES = ("A man riding a wave on a board.", "A cat sitting on a table.", "Two dogs in a field.")
SMALL = {"side": 32, "words": 40, "batch_size": 4, "language_width": 16}
TREE = {**SMALL, "node_width": 4, "entities": 20, "relations": 10}
GUIDED = {**TREE, "width": 4, "blocks": 1, "crop_size": 32, "pretraining": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Pictures of coloured blocks, with two captions each."""
    root = tmp_path_factory.mktemp("captioned")
    source = write_photos(root / "photos", 12)
    drawn = [(seed, SENTENCES[(seed + more) % 3]) for seed in range(12) for more in (0, 1)]
    lines = [f'{seed:03d}.png,"{sentence}"' for seed, sentence in drawn]
    (source / "captions.csv").write_text("\n".join(["image,caption", *lines]) + "\n")
    recipe = flow_recipe(captions={"count": 2}, replicas={"train": 1})
    synthesize(recipe, open_for(recipe, str(source)), root / "data")
    return root / "data"


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    train("nic", data, root / "nic", preset="tiny", steps=4, overrides=SMALL)
    train("s3e-imc", data, root / "imc", preset="tiny", steps=4, overrides=TREE)
    small = {**TREE, "width": 4, "blocks": 1, "crop_size": 32}
    train("s3e", data, root / "s3e", preset="tiny", steps=4, overrides=small)
    return {path.name: path for path in root.iterdir()}


@pytest.mark.parametrize("nodes", ["oracle", "shuffled"])
def test_what_the_nodes_tell_goes_from_training_to_scores(data, tmp_path, nodes):
    options = {"preset": "tiny", "steps": 2, "overrides": {**GUIDED, "nodes": nodes}}
    train("s3e", data, tmp_path / "run", **options)
    train("s3e", data, tmp_path / "run", **options, resume=True)  # with the words it began with
    pictures = BlurDataset(data, "test")
    row = pictures.rows[0]
    blur = pictures.picture(row, "blur")
    restore = trained(tmp_path / "run", None, None)
    restore.know(pictures)
    told = restore.restore(blur, row).values
    others = [{**row, "id": f"p{n}"} for n in range(20)]  # of which only a hash takes notice
    if nodes == "oracle":
        others = [{**row, "captions": [each]} for each in SENTENCES]
    assert not all(np.array_equal(told, restore.restore(blur, each).values) for each in others)
    with pytest.raises(UserError, match="true captions"):
        load_run(tmp_path / "run").restore(blur)


def test_one_picture_to_validate_on_keeps_the_last_weights(data, tmp_path):
    counts = {"images": {"train": 8, "val": 1, "test": 1}, "captions": {"count": 2}}
    recipe = flow_recipe(**counts, replicas={"train": 1})
    synthesize(recipe, open_for(recipe, str(data.parent / "photos")), tmp_path / "data")
    train("nic", tmp_path / "data", tmp_path / "run", preset="tiny", steps=2, overrides=SMALL)
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert not [line for line in log if "cider" in line]  # it would be nothing, whatever was said
    kept, last = (tmp_path / "run" / f"{name}.safetensors" for name in ("model", "last"))
    assert kept.read_bytes() == last.read_bytes()


def test_items_carry_their_captions(data):
    pairs = BlurDataset(data, "train")
    assert pairs.has("captions")
    assert not pairs.has("mask")
    assert pairs[0]["captions"] == pairs.captions()[0]
    assert set(pairs[0]["captions"]) <= set(SENTENCES)


def test_pairs_blurred_on_the_fly_carry_captions_too(data):
    recipe = flow_recipe(captions={"count": 2}, replicas={"train": 1})
    source = open_for(recipe, str(data.parent / "photos"))
    pairs, stored = OnTheFlyDataset(recipe, source, "train"), BlurDataset(data, "train")
    assert pairs.has("captions")
    assert sorted(pairs.captions()) == sorted(stored.captions())
    assert pairs[0]["captions"] == pairs.captions()[0]


def test_a_run_keeps_its_words(runs):
    for run in runs.values():
        vocabulary = read_vocabulary(run / "vocabulary.json")
        assert {"man", "cat", "dog", "table", "field"} <= set(vocabulary.entities)
        loaded = load_run(run)
        assert "riding" in loaded.model.known().words
        config = json.loads((run / "config.json").read_text())
        assert config["vocabulary"] == loaded.model.known().hash
        assert config["config"]["resnet_weights"] == "random"
    log = [json.loads(line) for line in (runs["nic"] / "log.jsonl").read_text().splitlines()]
    assert [row["cider"] for row in log if row["stage"] == "validation"]
    assert any((runs["nic"] / "samples").glob("*.txt"))
    assert any((runs["s3e"] / "samples").glob("*.png"))


def test_a_run_without_its_words_is_refused(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs["nic"], run)
    document = json.loads((run / "vocabulary.json").read_text())
    (run / "vocabulary.json").write_text(json.dumps({**document, "words": 3}))
    with pytest.raises(UserError, match="words must be a list"):
        load_run(run)
    (run / "vocabulary.json").unlink()
    with pytest.raises(UserError, match=r"vocabulary\.json: no such file"):
        load_run(run)


def test_weights_of_another_run_keep_their_words(runs, data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs["nic"], run)
    document = json.loads((run / "vocabulary.json").read_text())
    (run / "vocabulary.json").write_text(json.dumps({**document, "words": ["zebra", "a"]}))
    train("nic", data, tmp_path / "more", preset="tiny", steps=1, overrides=SMALL, init=run)
    assert load_run(tmp_path / "more").model.known().words == ("zebra", "a")


def test_training_goes_on_bit_for_bit(data, tmp_path):
    options = {"preset": "tiny", "overrides": {**TREE, "steps": 4}, "checkpoint_seconds": 0.0}
    for name in ("whole", "broken"):
        train("s3e-imc", data, tmp_path / name, **options)
    broken = tmp_path / "broken"
    newest = sorted((broken / "checkpoints").iterdir())[-1]
    shutil.rmtree(newest)
    (broken / "last.safetensors").unlink()
    train("s3e-imc", data, broken, resume=True, **options)
    found = [(tmp_path / name / "last.safetensors").read_bytes() for name in ("whole", "broken")]
    assert found[0] == found[1]


def test_sentences_for_a_data_set(runs, data, tmp_path):
    models = (runs["nic"], runs["imc"], runs["s3e"])
    done = generate(data, models, tmp_path / "out", beams=1, explain=tmp_path / "seen")
    ids = [row["id"] for row in BlurDataset(data, "test").rows]
    assert done.pictures == len(ids) > 0
    for name in ("nic", "imc", "s3e"):
        said = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert list(said) == ids
        assert all(sentence.split() for sentence in said.values())
    references = json.loads((tmp_path / "out" / "references.json").read_text())
    assert all(len(each) == 2 for each in references.values())
    assert cv2.imread(str(tmp_path / "out" / "captions.png")).shape[1] == 1_000
    assert [path.name for path in (tmp_path / "seen" / "imc" / ids[0]).iterdir()] == ["nodes.png"]
    assert not (tmp_path / "seen" / "nic").exists()


def test_sentences_for_own_pictures(runs, tmp_path):
    write_photos(tmp_path / "mine" / "sub", 2)
    (tmp_path / "mine" / "bad.png").write_bytes(b"no picture")
    done = generate(tmp_path / "mine", (runs["nic"],), tmp_path / "out")
    assert list(json.loads((tmp_path / "out" / "nic.json").read_text())) == ["sub/000", "sub/001"]
    assert done.pictures == 2
    assert "bad.png" in done.failed[0]
    assert not (tmp_path / "out" / "references.json").exists()
    generate(tmp_path / "mine", (runs["nic"],), tmp_path / "out")  # ours is written anew
    (tmp_path / "out" / "nic.json").write_text('{"images": [], "annotations": [{"id": 1}]}')
    with pytest.raises(UserError, match=r"nic\.json: is there, and not made by this"):
        generate(tmp_path / "mine", (runs["nic"],), tmp_path / "out")
    (tmp_path / "mine" / "captions.png").touch()
    with pytest.raises(UserError, match=r"captions\.png: would overwrite what is read"):
        generate(tmp_path / "mine", (runs["nic"],), tmp_path / "mine")


def test_captioners_restore_nothing_and_restorers_may_say_nothing(runs, data, tmp_path):
    with pytest.raises(UserError, match="nic describes pictures and restores none"):
        trained(runs["nic"], None, None)
    train("unet", data, tmp_path / "unet", preset="tiny", steps=1, overrides={"crop_size": 32})
    with pytest.raises(UserError, match="unet writes no captions"):
        generate(data, (tmp_path / "unet",), tmp_path / "out")
    with pytest.raises(UserError, match=r"no captions|needs the captions"):
        train("nic", plain(tmp_path), tmp_path / "run", preset="tiny", steps=1)


def plain(folder: Path) -> Path:
    recipe = flow_recipe()
    source = write_photos(folder / "plain", 4)
    synthesize(recipe, open_for(recipe, str(source)), folder / "set")
    return folder / "set"


def test_nodes_are_compared_with_the_commonest_label(runs, data):
    pairs = BlurDataset(data, "train")
    for name in ("imc", "s3e"):
        model = load_run(runs[name])
        found = node_accuracy(model, "train", pairs)
        assert [each.node for each in found] == list(NODES)
        labels = np.array(
            [
                model.model.known().classes(text).numpy()
                for each in pairs.captions()
                for text in each
            ]
        )
        for node, each in enumerate(found):
            assert each.labels == len(labels)
            counts = np.bincount(labels[:, node])
            assert each.majority == pytest.approx(counts.max() / len(labels))
            assert each.words == counts[1:].sum()
            if each.words:
                assert each.word_majority == pytest.approx(counts[1:].max() / each.words)
            assert 0 <= each.accuracy <= 1


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_nodes_of_a_split_are_counted_one_by_one(runs, data, split):
    loaded, training = load_run(runs["s3e"]), BlurDataset(data, "train")
    model, tested = loaded.model, BlurDataset(data, split)
    with torch.no_grad():  # so that it is right now and then
        model.tree.classify[6].weight.zero_()
        model.tree.classify[6].bias.copy_(torch.arange(20.0, 0, -1))
    right, sure, asked = np.zeros(7), np.zeros(7), 0
    for item in (tested[index] for index in range(len(tested))):
        logits = model.tree(model.see(squared(item["blur"][None], model.config.side))).logits
        for text in item["captions"]:
            asked += 1
            for node, wanted in enumerate(model.known().classes(text).tolist()):
                scores = logits[node][0].tolist()
                right[node] += scores.index(max(scores)) == wanted
                sure[node] += wanted > 0 and 1 + scores[1:].index(max(scores[1:])) == wanted
    found = node_accuracy(loaded, split, training)
    assert [each.labels for each in found] == [asked] * 7
    assert [each.accuracy for each in found] == pytest.approx(right / asked)
    words = [(each.word_accuracy or 0) * each.words for each in found]
    assert words == pytest.approx(sure)
    assert 0 < right[6] < asked


def test_who_names_what_nobody_else_names():
    said = {"a": "a cat on a table", "b": "a dog on a table", "c": "a table"}
    row = Described(picture(0), said, ["A cat lies on the table."])
    assert alone_right(row) == {"a"}
    assert alone_right(Described(picture(0), said, None)) == set()
    assert alone_right(Described(picture(0), {"a": said["a"]}, row.references)) == set()
    plain = Described(picture(0), said, None)
    few, more = caption_sheet([plain]), caption_sheet([plain, plain])
    assert few.shape[1:] == (1_000, 3)
    assert more.shape[0] - few.shape[0] == few.shape[0] - drawing.GAP
    assert is_green(caption_sheet([row]))
    assert not is_green(more)


def is_green(sheet: np.ndarray) -> bool:
    red, green, _ = np.moveaxis(sheet[:, 180:].astype(int), -1, 0)
    return bool((green > red + 40).any())


def test_long_sentences_are_wrapped():
    sentence = " ".join(["photograph"] * 40)
    short = Described(picture(0), {"a": "photograph"}, None)
    long = Described(picture(0), dict.fromkeys("abc", sentence), None)
    assert caption_sheet([long]).shape[0] > caption_sheet([short]).shape[0]
    assert (caption_sheet([long])[:, -10:] == 255).all()


def test_sentences_before_an_interruption_are_kept(runs, data, tmp_path, monkeypatch):
    count = len(BlurDataset(data, "train").rows)
    described = iter(range(count))

    def interrupted(*_: object) -> str:
        if next(described) == 2:
            raise KeyboardInterrupt
        return "a cat"

    monkeypatch.setattr(describe, "describe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(data, (runs["nic"],), tmp_path / "out", split="train")
    said = json.loads((tmp_path / "out" / "nic.json").read_text())
    assert list(said.values()) == ["a cat"] * 2


def test_a_run_may_not_take_the_name_of_peoples_sentences(runs, data, tmp_path):
    shutil.copytree(runs["nic"], tmp_path / "references")
    with pytest.raises(UserError, match="rename"):
        generate(data, (tmp_path / "references",), tmp_path / "out")


def test_the_sheet_shows_what_the_first_run_saw(runs, data, tmp_path, monkeypatch):
    train(
        "nic", data, tmp_path / "s", preset="tiny", steps=1, overrides={**SMALL, "input": "sharp"}
    )
    shown: list[np.ndarray] = []
    monkeypatch.setattr(
        describe,
        "caption_sheet",
        lambda rows: (shown.extend(row.image for row in rows), picture(0))[1],
    )
    pairs = BlurDataset(data, "test")
    for order, kind in (
        ((tmp_path / "s", runs["nic"]), "sharp"),
        ((runs["nic"], tmp_path / "s"), "blur"),
    ):
        shown.clear()
        generate(data, order, tmp_path / "out", beams=1)
        assert np.array_equal(shown[0], pairs.picture(pairs.rows[0], kind))


def test_the_commands(runs, data, tmp_path):
    run, out = CliRunner().invoke, str(tmp_path / "out")
    arguments = [str(data), "--checkpoint", str(runs["nic"]), str(runs["imc"]), "--out", out]
    done = run(captions, ["generate", *arguments, "--beams", "1"])
    assert done.exit_code == 0, done.output
    assert "captions.png" in done.output
    assert (tmp_path / "out" / "imc.json").is_file()
    done = run(captions, ["nodes", "--data", str(data), "--checkpoint", str(runs["imc"])])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()] == ["node", *NODES]
    done = run(captions, ["nodes", "--data", str(data), "--checkpoint", str(runs["nic"])])
    assert "nic has no tree" in str(done.exception)


def test_a_captioner_is_scored_on_a_split(runs, data, tmp_path, monkeypatch):
    quick = partial(captioning.score, metrics=("bleu", "cider", "meteor"), tokenizer="python")
    monkeypatch.setattr(captioning, "score", quick)
    monkeypatch.setenv("BLURBENCH_JAVA", str(tmp_path / "none"))
    pairs = BlurDataset(data, "train")
    told = captioning.caption_split(pairs, runs["nic"], tmp_path / "out", "nic", None)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["images"] == len(pairs)
    assert summary["data"]["digest"] == pairs.digest
    assert summary["means"]["meteor"] is None
    assert "does not start" in summary["missing"]["meteor"]
    assert f"bleu-1 {summary['means']['bleu-1']:.3f}" in told
    assert "meteor" not in told
    path = tmp_path / "out" / "captions.json"
    written = json.loads(path.read_text())
    (said,) = load_run(runs["nic"]).model.caption(pairs[0]["blur"][None], [pairs[0]["id"]])
    assert written["captions"][pairs[0]["id"]] == said
    # What is there is kept, and only scored again.
    alike = written | {"captions": dict.fromkeys(written["captions"], "a cat")}
    path.write_text(json.dumps(sealed(alike)))
    captioning.caption_split(pairs, runs["nic"], tmp_path / "out", "nic", None)
    again = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert again["means"] != summary["means"]
    with pytest.raises(UserError, match="holds captions of another"):
        captioning.caption_split(pairs, runs["nic"], tmp_path / "out", "other", None)
    with pytest.raises(UserError, match="holds captions of another"):
        captioning.caption_split(pairs, runs["imc"], tmp_path / "out", "nic", None)
    plain_pairs = BlurDataset(plain(tmp_path), "train")
    with pytest.raises(UserError, match="no captions to compare"):
        captioning.caption_split(plain_pairs, runs["nic"], tmp_path / "new", "nic", None)


def test_tables_from_one_command(data, tmp_path, monkeypatch, capsys):
    short = {"s3e": {**TREE, "width": 4, "blocks": 1, "crop_size": 32}, "nic": SMALL}
    trained_by = s3e.train
    monkeypatch.setattr(
        s3e,
        "train",
        lambda name, *a, overrides=None, **k: trained_by(
            name, *a, **k, overrides=short[name] | (overrides or {})
        ),
    )
    command = f"s3e.py --data {data} --out {tmp_path} --steps 2 --caption-steps 2 --captioners nic"
    monkeypatch.setattr("sys.argv", [*command.split(), "--inputs", "blur", "sharp"])
    s3e.main()
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "table.json").read_text())
    assert set(found["psnr"]) == {"identity", "s3e", "s3e-frozen"}
    scored = {"s3e", "s3e-frozen", "nic", "nic-sharp", "commonest caption"}
    assert set(found["captions"]["test"]) == scored
    for name, shown in (("nic", "blur"), ("nic-sharp", "sharp")):
        assert shown == load_run(tmp_path / "runs" / name).model.INPUT
    assert [row["node"] for row in found["nodes"]["train"]["s3e"]] == list(NODES)
    assert found["settings"]["s3e"]["resnet_weights"] == "random"
    assert (text := (tmp_path / "table.md").read_text()).strip() in printed
    assert f"- test: {len(BlurDataset(data, 'test'))} pictures\n" in text
    assert "- s3e-frozen: 2 steps, batches of 4; resnet18 (random) on 32 px\n" in text
    assert s3e.commonest([["A dog.", "A cat."], ["a dog"]]) == "a dog"
