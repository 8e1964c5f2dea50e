"""What the nodes tell: nothing, true labels, those of another picture, a borrowed tree."""

from pathlib import Path

import pytest
import torch
from captioned import CAPTIONS, LEARNT, CaptionedPairs, photographs, whole_batch
from small_training import start, step

from blurbench.captions.trees import NODES
from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import gmacs
from blurbench.models.parts.released import load_released
from blurbench.models.parts.weights import save_tensors
from blurbench.models.s3e import S3E
from blurbench.models.s3e.labels import LabelNodes, TrueLabels, another, labels_of
from blurbench.training.budget import spent, steps_for

SMALL = {"width": 8, "blocks": 1, "side": 64, "words": 60, "pretraining": 0}


def arm(nodes: str, **fields) -> S3E:
    torch.manual_seed(0)
    model = build("s3e", "tiny", nodes=nodes, **SMALL, **fields)
    assert isinstance(model, S3E)
    model.learn_language(LEARNT)
    return model


def items() -> list[dict]:
    pairs = CaptionedPairs()
    return [pairs[index] for index in range(len(pairs))]


def test_all_arms_begin_with_the_same_weights_and_have_the_same_generator():
    tree, zero, oracle, shuffled = (arm(n) for n in ("tree", "zero", "oracle", "shuffled"))
    held = tree.state_dict()
    for other in (zero, oracle, shuffled):
        same = other.state_dict()
        assert held.keys() <= same.keys()
        assert all(torch.equal(same[name], value) for name, value in held.items())
    assert zero.state_dict().keys() == held.keys()
    a, b = oracle.state_dict(), shuffled.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    # As many as the tree's classifiers have weights: 4 nodes of 200 labels, 3 of 60, 64 channels.
    assert parameter_count(oracle.label_nodes) == 64 * (4 * 200 + 3 * 60)


def test_zero_tells_nothing():
    model = arm("zero")
    blur = photographs()
    before = model.deblur(blur)
    assert gmacs(model, 64, 64) == gmacs(arm("tree"), 64, 64)
    with torch.no_grad():
        for parameter in (*model.tree.parameters(), *model.resnet.parameters()):
            parameter.normal_()
    assert torch.equal(model.deblur(blur), before)
    batch = whole_batch(model)
    one = model.guided(batch, model.read(model.see(batch["whole"])))
    other = model.guided(batch, model.read(model.see(batch["whole"].flip(0))))
    assert torch.equal(one, other)
    seen = arm("tree")
    assert not torch.equal(seen.deblur(blur), before)


def test_an_oracle_hears_the_labels_and_nothing_else():
    model = arm("oracle")
    blur = photographs()
    with torch.no_grad():
        for parameter in (*model.tree.parameters(), *model.resnet.parameters()):
            parameter.zero_()
    told = [{"id": "a", "captions": [CAPTIONS[0]]}] * 4
    other = [{"id": "a", "captions": [CAPTIONS[1]]}] * 4
    one = model.deblur(blur, told)
    assert torch.equal(one, model.deblur(blur, told))
    assert torch.equal(one[1:2], model.deblur(blur[1:2], told[:1]))
    assert not torch.equal(one, model.deblur(blur, other))
    with pytest.raises(UserError, match="restores with the true captions of each picture"):
        model.deblur(blur)


def test_shares_are_those_of_the_captions():
    model = arm("oracle")
    language = model.known()
    labels = TrueLabels(language, 200)
    shares = labels({"id": "a", "captions": CAPTIONS[:3]})
    assert shares.shape == (7, 200)
    assert torch.allclose(shares.sum(1), torch.ones(7))
    wanted = torch.stack([language.classes(text) for text in CAPTIONS[:3]])
    for node in range(len(NODES)):
        counts = torch.bincount(wanted[:, node], minlength=200) / 3
        assert torch.allclose(shares[node], counts)
    nodes = LabelNodes(5, 200, 60)
    maps = nodes(shares[None], torch.zeros(1, 7, 5, 2, 3))
    for node, fc in enumerate(nodes.vectors):
        vector = fc.weight[:, wanted[:, node]].mean(1)
        assert torch.allclose(maps[0, node], vector[:, None, None].expand(5, 2, 3), atol=1e-5)


def test_shuffled_labels_are_another_pictures_and_the_same_each_time():
    oracle, shuffled = arm("oracle"), arm("shuffled")
    language = shuffled.known()
    assert len(language.pictures) == len(LEARNT)
    assert not oracle.known().pictures
    found = []
    for item in items():
        own = labels_of(language, item["captions"])
        taken = another(item["id"], own, language.pictures)
        assert set(taken) != set(own)
        assert taken in language.pictures
        assert another(item["id"], own * 5, language.pictures) == taken
        truth, told = oracle.true_labels()(item), shuffled.true_labels()(item)
        assert truth.sum() == told.sum() == len(NODES)
        assert not torch.equal(truth, told)
        found.append(told)
    batches = whole_batch(oracle), whole_batch(shuffled)
    shuffled.learn_language(LEARNT)
    different = [name for name in batches[0] if not torch.equal(batches[0][name], batches[1][name])]
    assert different == ["shares"]
    # Told alike, both restore alike.
    blur = photographs()[:1]
    one = oracle.restore_told(blur, found[0][None])
    assert torch.equal(one, shuffled.restore_told(blur, found[0][None]))
    assert torch.equal(one, shuffled.restore_labelled(blur, items()[:1])[0])


def test_many_ids_take_many_pictures():
    pictures = tuple(((n,) * 7,) for n in range(10))
    taken = [another(f"p{n}", pictures[0], pictures) for n in range(200)]
    assert set(taken) == set(pictures[1:])
    with pytest.raises(UserError, match="all alike"):
        another("a", pictures[0], pictures[:1] * 3)


def test_the_labels_of_the_training_split_stay_with_the_run(tmp_path):
    model = arm("shuffled")
    path = tmp_path / "vocabulary.json"
    model.save_language(path)
    again = arm("shuffled")
    again.language = None
    again.load_language(path)
    assert again.known() == model.known()
    assert again.vocabulary_hash() == model.vocabulary_hash() != arm("tree").vocabulary_hash()
    arm("tree").save_language(path)
    with pytest.raises(UserError, match="no labels of training pictures, which nodes=shuffled"):
        again.load_language(path)
    model.save_language(path)
    path.write_text(path.read_text().replace('"pictures": [', '"pictures": [[[1, 2]],'))
    with pytest.raises(UserError, match="lists of seven labels"):
        again.load_language(path)


@pytest.mark.parametrize("nodes", ["zero", "oracle", "shuffled"])
def test_each_arm_learns_what_it_should(nodes):
    model = arm(nodes)
    batch = whole_batch(model)
    stage, optimisers = start(model)
    assert (stage.name, len(model.stages())) == ("gan", 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(stage, optimisers, batch)
    moved = {n.partition(".")[0] for n, v in model.state_dict().items() if (v != before[n]).any()}
    wanted = {"generator", "critic", "captioner", "tree"}
    assert moved == wanted | (set() if nodes == "zero" else {"label_nodes"})


def test_the_restoring_stage_sees_what_a_budget_asks_for():
    for pretraining in (0.0, 0.4):
        model = build("s3e", "tiny", **{**SMALL, "pretraining": pretraining})
        steps = steps_for(model, 800)
        assert spent(model, steps).restoring == 800  # 100 steps of 8
        assert bool(spent(model, steps).beside) == (pretraining > 0)
    captioner = build("s3e-imc", "tiny", pretraining=0)
    assert [stage.name for stage in captioner.stages()] == ["captions"]


def test_a_random_tree_stays_as_it_is():
    model = arm("tree", co_train=False)
    batch = whole_batch(model)
    before = {name: value.clone() for name, value in model.tree.state_dict().items()}
    stage, optimisers = start(model)
    step(stage, optimisers, batch)
    assert all(torch.equal(v, before[n]) for n, v in model.tree.state_dict().items())


def test_a_tree_is_taken_from_a_run_of_the_captioner(tmp_path: Path):
    torch.manual_seed(9)
    giver = build("s3e-imc", "tiny", side=64, words=60, node_width=64)
    save_tensors(tmp_path / "imc.safetensors", giver.state_dict())
    model = arm("tree", co_train=False)
    generator = {name: value.clone() for name, value in model.generator.state_dict().items()}
    load_released(model, tmp_path / "imc.safetensors")
    for ours, theirs in ((model.tree, giver.tree), (model.captioner, giver.writer)):
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert all(torch.equal(v, generator[n]) for n, v in model.generator.state_dict().items())
    other = build("s3e-imc", "tiny", side=64, words=60, node_width=32)
    save_tensors(tmp_path / "other.safetensors", other.state_dict())
    with pytest.raises(UserError, match="of another shape"):
        load_released(model, tmp_path / "other.safetensors")


def test_runs_of_the_small_of_0_1_0_are_read_as_they_were():
    paper = S3E.PRESETS["paper"].model_dump()
    later = {"nodes", "crops", "batches", "turns", "checkpointing", "patience", "sample_at"}
    old = {name: value for name, value in paper.items() if name not in later}
    old |= {"steps": 110_000, "width": 32, "blocks": 6, "node_width": 64, "language_width": 256}
    with torch.device("meta"):
        model = build("s3e", "small-frozen", **{**old, "resnet": "resnet50", "co_train": False})
    held = model.state_dict()
    assert (len(held), sum(v.numel() for v in held.values())) == (413, 38_151_538)  # of golden
    assert (model.config.nodes, model.config.co_train) == ("tree", False)


def test_small_needs_no_file_and_takes_the_tree_of_a_small_captioner(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model, captioner = build("s3e", "small"), build("s3e-imc", "small")
    model.prepare()
    for name in ("nic", "toronto", "topdown", "vp-tree"):
        build(name, "small").prepare()
    save_tensors(tmp_path / "imc.safetensors", captioner.state_dict())
    load_released(model, tmp_path / "imc.safetensors")
    budget = spent(model, model.config.steps)
    rival = build("deblurgan", "small")
    assert budget.restoring == spent(rival, rival.config.steps).restoring
    assert model.generator.model[1].weight.shape == rival.generator.model[1].weight.shape
    with pytest.raises(UserError, match="weights fetch efficientnet-lite0"):
        build("s3e", "small", resnet_weights="imagenet").prepare()


def test_the_tree_learns_labels_first_and_captions_hardly():
    torch.manual_seed(0)
    model = build("s3e", "tiny", side=64, words=60)
    batch, c = whole_batch(model), model.config
    found = model.generator_losses(batch)
    image = found["adversarial"] + c.l1_weight * found["l1"]
    parts = (c.tree_weight * found["tree"], image, c.caption_weight * found["captions"])
    nodes, picture, captions = (reach(model, part) for part in parts)
    assert nodes > 3 * picture > 1_000 * captions


def reach(model: S3E, loss: torch.Tensor) -> float:
    """The norm of a loss's gradient in the tree."""
    model.zero_grad()
    loss.backward(retain_graph=True)
    squares = [p.grad.square().sum() for p in model.tree.parameters() if p.grad is not None]
    return float(torch.stack(squares).sum().sqrt())
