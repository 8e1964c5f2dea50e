"""S3E-Deblur: sizes, losses, who learns when, and what it is told of the picture."""

import copy
import math

import numpy as np
import pytest
import torch
from captioned import LEARNT, CaptionedPairs, photographs, whole_batch
from small_training import start, step
from torch import Tensor
from torch.nn import functional as F

from blurbench import drawing
from blurbench.captions.trees import NODES
from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.captioners.resnet import squared
from blurbench.models.cost import cost
from blurbench.models.deblurgan import Generator
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.models.s3e import S3E
from blurbench.models.s3e.explain import fitted, labels, warmed
from blurbench.models.s3e.generator import GuidedGenerator
from blurbench.models.s3e.tree import S3Tree, hits, tree_losses
from blurbench.training.batches import TrainingPairs
from blurbench.training.checkpoint import make_optimiser


@pytest.fixture
def tiny() -> S3E:
    torch.manual_seed(0)
    return build("s3e", "tiny", width=8, blocks=1, side=64, words=60)


@pytest.mark.parametrize(
    ("width", "count"), [(64, 5_206_529), (128, 10_851_329), (256, 23_468_033), (512, 54_009_857)]
)
def test_the_tree_has_the_counted_size(width, count):
    with torch.device("meta"):
        assert parameter_count(S3Tree(2_048, width, 839, 247)) == count


def test_embedding_adds_what_was_counted():
    with torch.device("meta"):
        guided = GuidedGenerator(7 * 128, 64, 9, 0.5, "last_conv", skips=True)
        assert parameter_count(guided) - parameter_count(Generator()) == 516_160 + 9_408
    params, gmacs = cost("s3e")
    assert params == 58_143_808 + 10_851_329 + 11_903_747  # ResNet-152, tree, generator
    assert gmacs == pytest.approx(65.90, abs=0.01)


def test_the_tree_combines_its_children():
    torch.manual_seed(0)
    tree = S3Tree(4, 3, 10, 5)
    v = torch.rand(2, 4, 5, 6)
    read = tree(v)
    assert read.maps.shape == (2, 7, 3, 5, 6)
    sizes = [10, 5, 10, 5, 10, 5, 10]
    assert [each.shape for each in read.logits] == [(2, size) for size in sizes]
    assert all(torch.allclose(y.sum(1), torch.ones(2)) for y in read.labels())
    h = dict(enumerate(read.maps.unbind(1), start=1))
    children = {2: (1, 3), 6: (5, 7), 4: (2, 6)}
    for (node, (a, b)), convolution in zip(
        children.items(), (tree.combine[0], tree.combine[1], tree.combine[2]), strict=True
    ):
        assert torch.equal(h[node], convolution(torch.cat([h[a], h[b]], 1)))
    for node, convolution in zip((1, 3, 5, 7), tree.decouple, strict=True):
        assert torch.equal(h[node], F.relu(convolution[0](v)))
    # The root sees all leaves; a leaf sees itself.
    for node, seen in ((4, 4), (2, 2), (6, 2), (1, 1)):
        tree.zero_grad()
        tree(v).logits[node - 1].sum().backward()
        reached = [c[0].weight.grad is not None for c in tree.decouple]
        assert sum(reached) == seen


def test_losses_are_summed_over_nodes_and_hits_know_null():
    logits = [torch.zeros(3, 4) for _ in NODES]
    wanted = torch.tensor([[1] * 7, [0] * 7, [2] * 7])
    assert tree_losses(logits, wanted).tolist() == pytest.approx([7 * math.log(4)] * 3)
    logits = [torch.tensor([[9.0, 2, 1, 0], [9, 2, 1, 0], [9, 1, 0, 2]]) for _ in NODES]
    assert hits(logits, wanted)[3] == (1, 3, 1, 2)


@pytest.mark.parametrize("embed_at", ["last_conv", "bottleneck"])
@pytest.mark.parametrize("skips", [False, True])
def test_the_generator_hears_the_tree_at_the_right_place(embed_at, skips):
    torch.manual_seed(0)
    generator = GuidedGenerator(7 * 2, 8, 2, 0.0, embed_at, skips).eval()
    x, maps = torch.rand(1, 3, 64, 64) * 2 - 1, torch.rand(1, 7, 2, 4, 4)
    grid = (torch.arange(64) + 0.5) / 32 - 1
    place = torch.stack(torch.meshgrid(grid, grid, indexing="xy"))[None]
    whole = generator(x, maps)
    assert torch.allclose(whole, generator(x, maps, place), atol=1e-5)
    louder = maps.clone()
    louder[..., 0, 0] += 5  # the upper left of the picture
    told = (generator(x, louder, place) - generator(x, maps, place)).abs().mean(1)[0]
    if embed_at == "last_conv":  # instance norm spreads what comes before it
        assert told[:16, :16].mean() > 20 * told[44:, 44:].mean()
        mirrored = generator(x, louder, place * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1))
        moved = (mirrored - generator(x, maps, place)).abs().mean(1)[0]
        assert moved[:16, 48:].mean() > 2 * moved[:16, :16].mean()
    assert told.max() > 0
    if skips:
        plain = copy.deepcopy(generator)
        plain.skips = {}
        assert not torch.allclose(plain(x, maps), whole, atol=1e-3)


def moved_by(model: S3E, number: int, update_name: str) -> set[str]:
    """The networks that one update moves, as the runner takes it."""
    batch = whole_batch(model)
    stage = model.stages()[number]
    set_modes(model, [module for update in stage.updates for module in update.modules])
    (update,) = [each for each in stage.updates if each.name == update_name]
    optimiser = make_optimiser(update)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    set_trainable(stage, update)
    model.zero_grad()
    update.loss(batch)["loss"].backward()
    graded = {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    optimiser.step()
    after = model.state_dict()
    moved = {
        name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])
    }
    assert moved == graded
    return moved


def test_the_tree_and_the_generator_move_together_and_the_critic_alone(tiny):
    assert moved_by(tiny, 0, "tree") == {"tree"}
    assert moved_by(tiny, 1, "critic") == {"critic"}
    assert moved_by(tiny, 1, "generator") == {"generator", "tree", "captioner"}
    (alone,), (critic, generator) = (stage.updates for stage in tiny.stages())
    assert (alone.modules, critic.modules) == ((tiny.tree,), (tiny.critic,))
    assert set(generator.modules) == {tiny.generator, tiny.captioner, tiny.tree}
    assert not any(p.requires_grad for p in tiny.resnet.parameters())


def test_without_co_training_the_tree_stays():
    torch.manual_seed(0)
    model = build("s3e", "tiny-frozen", width=8, blocks=1, side=64, words=60)
    assert moved_by(model, 0, "tree") == {"tree"}
    assert moved_by(model, 1, "generator") == {"generator", "captioner"}
    assert moved_by(model, 1, "critic") == {"critic"}


@pytest.mark.parametrize("part", ["l1", "captions", "tree"])
def test_each_loss_reaches_the_tree(tiny, part):
    batch = whole_batch(tiny)
    set_modes(tiny, [tiny.tree])
    tiny.generator_losses(batch)[part].backward()
    reached = [name for name, p in tiny.tree.named_parameters() if p.grad is not None]
    # Pictures are made of maps, not of classes.
    assert any("decouple" in name for name in reached)
    assert any("classify" in name for name in reached) == (part != "l1")


def test_the_total_loss_has_the_weights_of_the_paper(tiny):
    batch = whole_batch(tiny)
    found = tiny.generator_losses(batch)
    wanted = found["adversarial"] + 100 * found["l1"]
    wanted = wanted + 5e-3 * found["captions"] + 10 * found["tree"]
    assert float((found["loss"] - wanted).detach()) == pytest.approx(0, abs=1e-3)
    read = tiny.tree(tiny.see(batch["whole"]))
    nodes = tree_losses(read.logits, batch["classes"]).mean()
    restored = tiny.generator(batch["blur"] * 2 - 1, read.maps, batch["place"])
    assert torch.allclose(found["tree"], nodes)
    assert torch.allclose(tiny.tree_losses(batch)["loss"], nodes)
    assert torch.allclose(found["l1"], F.l1_loss(restored, batch["sharp"] * 2 - 1), atol=1e-6)
    assert torch.allclose(found["adversarial"], -tiny.critic(restored).mean(), atol=1e-6)


def test_stages_of_the_paper():
    with torch.device("meta"):
        model = build("s3e")
    tree, gan = model.stages()
    assert (tree.share, gan.share) == pytest.approx((1 / 11, 10 / 11))
    assert [(u.name, u.repeats, u.lr) for u in gan.updates] == [
        ("critic", 5, 1e-4),
        ("generator", 1, 1e-4),
    ]
    rates = [gan.updates[1].schedule(t) for t in (0, 0.5, 0.75)]
    assert rates == pytest.approx([1, 1, 0.5])
    assert model.config.perceptual_weight == 100
    assert model.config.test_dropout
    assert not build_meta("frozen").config.co_train
    assert build_meta("bottleneck").config.embed_at == "bottleneck"


def build_meta(preset: str) -> S3E:
    with torch.device("meta"):
        return build("s3e", preset)


def test_a_crop_is_told_its_place_in_the_whole_picture(tiny):
    tiny.learn_language(LEARNT)
    pairs = CaptionedPairs(96)
    training = TrainingPairs(pairs, tiny.config, 3, tiny.reader())  # type: ignore[arg-type]
    mirrors = set()
    for position in range(12):
        item = training[position]
        assert item["blur"].shape == (3, 64, 64)
        assert item["whole"].shape == (3, 64, 64)
        # The whole picture, looked up at the places of the crop, is the crop (at two thirds).
        grid = item["place"].permute(1, 2, 0)[None]
        found = F.grid_sample(item["whole"][None], grid, align_corners=False, padding_mode="border")
        near = (smooth(found) - smooth(item["blur"][None])).abs().mean()
        far = (smooth(found.flip(-1)) - smooth(item["blur"][None])).abs().mean()
        assert near < far / 3
        mirrors.add(bool(item["place"][0, 0, 0] > item["place"][0, 0, -1]))
    assert mirrors == {True, False}


def smooth(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 8)


def test_the_tree_sees_the_whole_picture_at_any_size(tiny):
    seen = []
    tiny.see = lambda whole: (seen.append(whole.shape), tiny.resnet(whole))[1]  # type: ignore[method-assign]
    for size in ((61, 90), (40, 40)):
        blur = torch.rand(2, 3, *size)
        assert tiny.deblur(blur).shape == blur.shape
    assert set(seen) == {(2, 3, 64, 64)}


def test_dropout_stays_on_after_training():
    torch.manual_seed(0)
    model = build("s3e", "tiny", width=8, blocks=1, side=64, dropout=0.5, test_dropout=True)
    blur = photographs()[:2]
    assert torch.equal(model.deblur(blur)[1:], model.deblur(blur[1:]))
    with torch.no_grad():
        assert not torch.equal(model.deblur(blur), model.generate(blur).clamp(0, 1))


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs():
    torch.manual_seed(0)
    model = build("s3e", "tiny", width=8, blocks=2, side=64, words=60, crop_size=32, rate=3e-3)
    batch = whole_batch(model, 32)
    seen = model.see(batch["whole"])
    model.see = lambda _whole: seen  # type: ignore[method-assign]
    stage, optimisers = start(model, 1)
    wanted = float(F.l1_loss(batch["blur"], batch["sharp"]))  # of [0, 1]; half, of [-1, 1]
    for _ in range(200):
        found = step(stage, optimisers, batch)["generator"]
        if found["l1"] < wanted:
            return
    raise AssertionError(found["l1"], wanted)


def test_it_explains_itself(tiny):
    blur = photographs()[:1, :, :32]
    assert set(tiny.explain(blur)) == {"nodes"}
    tiny.learn_language(LEARNT)
    sheet = tiny.explain(blur)["nodes"]
    assert 0 <= sheet.min() <= sheet.max() <= 1
    columns = sheet[:, :, drawing.GAP :].split(192 + drawing.GAP, 2)
    assert len(columns) == 9  # the picture, the ResNet, the nodes
    line = drawing.text("0 name", 192)
    top = 2 * drawing.GAP + 2 * len(line)
    for number, column in enumerate(columns[2:], start=1):
        name = (np.asarray(column[0, top - len(line) : top, :192]) * 255).round()
        wanted = drawing.text(f"{number} {NODES[number - 1]}", 192)[..., 0]
        np.testing.assert_array_equal(name, wanted)
    shown = [column[:, top : top + 96, :192] for column in columns]  # half as high as wide
    assert torch.allclose(shown[0], fitted(blur)[0], atol=1 / 255)
    v = tiny.see(squared(blur, 64))
    for tile, heat in zip(shown[1:], [v[0], *tiny.tree(v).maps[0]], strict=True):
        assert torch.allclose(tile, warmed(shown[0], heat.mean(0)), atol=2 / 255)
    assert [fitted(torch.rand(1, 3, *size)).shape[-2:] for size in ((1, 900), (7, 5))] == [
        (1, 192),
        (192, 137),
    ]


def test_nodes_are_labelled_with_their_likeliest_words(tiny):
    tiny.learn_language(LEARNT)
    words = tiny.known().trees
    entity = torch.zeros(200)
    entity[[3, 0, 1]] = torch.tensor([0.5, 0.3, 0.1])
    entity[150] = 0.9  # stands for no word
    assert labels(tiny.known(), 0, entity) == [
        f"{words.entities[2]} 0.50",
        "null 0.30",
        f"{words.entities[0]} 0.10",
    ]
    relation = torch.zeros(60)
    relation[2] = 1
    assert labels(tiny.known(), 3, relation)[0] == f"{words.relations[1]} 1.00"
    assert labels(None, 0, entity) == []


def test_missing_weights_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"resnet152-394f9c45\.pth is missing"):
        build_meta("paper").prepare()
    with pytest.raises(UserError, match=r"vgg19-dcbb9e9d\.pth"):
        build("s3e", "tiny", perceptual_weight=1.0, resnet_weights="random").prepare()
