"""Captioners: sizes, what they learn, how they search, what they read."""

import copy
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from captioned import CAPTIONS, LEARNT, CaptionedPairs, photographs, whole_batch
from small_training import start, step
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.captioners.base import Captioned
from blurbench.models.captioners.decoders import END, NIC, Decoder, State, TopDown, Toronto
from blurbench.models.captioners.decoding import caption_loss, search, write
from blurbench.models.captioners.language import UNKNOWN, learn_language
from blurbench.models.captioners.reading import Regions, places
from blurbench.models.captioners.resnet import FrozenResNet
from blurbench.training.batches import TrainingPairs
from blurbench.weights import efficientnet

NAMES = ("nic", "toronto", "topdown", "vp-tree", "s3e-imc")


class Chain(Decoder):
    """Each word's successors have fixed chances."""

    def __init__(self, chances: list[list[float]]) -> None:
        super().__init__(len(chances), 1, 0.0)
        self.log = torch.tensor(chances).log()

    def begin(self, image: Tensor, slots: Tensor) -> State:
        del slots
        return (image,)

    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        return self.log[word], state


# A greedy writer takes word 1 first, and never finds the likelier "2 3".
CHANCES = [
    [0.0, 0.6, 0.4, 0.0],
    [0.4, 0.3, 0.3, 0.0],
    [0.1, 0.0, 0.0, 0.9],
    [1.0, 0.0, 0.0, 0.0],
]
ALL = torch.ones(4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("network", "count"), [(NIC, 12_872_465), (Toronto, 14_976_274), (TopDown, 52_127_026)]
)
def test_decoders_have_the_sizes_of_the_public_code(network, count):
    with torch.device("meta"):
        settings = {} if network is not TopDown else {"width": 1_000}
        assert parameter_count(network(9_489, 2_048, **settings)) == count


def mean_score(chances: list[list[float]], text: tuple[int, ...], ended: bool) -> float:
    words = [END, *text, END] if ended else [END, *text]
    logs = [np.log(chances[a][b]) for a, b in pairwise(words)]
    return float(np.mean(logs))


def test_a_wide_search_finds_the_likeliest_caption():
    decoder = Chain(CHANCES)
    longest = 3
    texts = [t for n in range(1, longest + 1) for t in product((1, 2, 3), repeat=n)]
    with np.errstate(divide="ignore"):
        best = max(texts, key=lambda text: mean_score(CHANCES, text, True))
    assert search(decoder, (torch.zeros(1, 1),), 50, longest, ALL) == list(best) == [2, 3]
    assert search(decoder, (torch.zeros(1, 1),), 1, longest, ALL)[0] == 1


def test_of_captions_of_different_lengths_the_mean_word_decides():
    chances = [[0.0, 0.5, 0.5, 0.0], [0.5, 0.25, 0.25, 0.0], [0.2, 0.2, 0.0, 0.6], [0.7, 0.3, 0, 0]]
    short, long = (mean_score(chances, text, True) for text in ((1,), (2, 3)))
    assert short * 2 > long * 3  # likelier as a whole
    assert search(Chain(chances), (torch.zeros(1, 1),), 50, 2, ALL) == [2, 3]


def test_poor_captions_that_end_early_do_not_stop_the_search():
    # Three words, one after the other, at 0.98; everything else is END.
    chances = [[0.02 * (b == END) + 0.98 * (b == a % 3 + 1) for b in range(4)] for a in range(4)]
    chances[3] = [1.0, 0.0, 0.0, 0.0]
    assert search(Chain(chances), (torch.zeros(1, 1),), 3, 8, ALL) == [1, 2, 3]


def test_a_caption_comes_even_if_none_ends():
    endless = Chain([[0.0, 0.5, 0.5], [0.0, 0.2, 0.8], [0.0, 0.9, 0.1]])
    for beams in (1, 3):
        text = search(endless, (torch.zeros(1, 1),), beams, 5, ALL[:3])
        assert len(text) == 5
    mute = Chain([[1.0, 1e-9, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert search(mute, (torch.zeros(1, 1),), 3, 5, ALL[:3]) == [1]


def test_only_allowed_words_are_written():
    allowed = torch.tensor([True, False, True, True])
    for beams in (1, 4):
        (text,) = write(Chain(CHANCES), (torch.zeros(1, 1),), beams, 5, allowed)
        assert text == [2, 3]


def test_the_loss_is_the_sum_over_words_up_to_the_end():
    decoder = Chain(CHANCES)
    words = torch.tensor([[2, 3, END, END], [1, END, END, END]])
    found = caption_loss(decoder, (torch.zeros(2, 1),), words)
    wanted = [-np.log(0.4 * 0.9 * 1.0), -np.log(0.6 * 0.4)]
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)


def test_scheduled_sampling_tells_the_decoder_its_own_words():
    told: list[Tensor] = []

    class Listening(Chain):
        def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
            told.append(word)
            return super().step(word, state)

    decoder = Listening([[0.0, 0.0, 1.0, 0.0]] * 4)  # it would always say 2
    words = torch.full((50, 4), 3)
    for mixing, low, high in ((0.0, 0, 0), (0.5, 40, 110), (1.0, 150, 150)):
        told.clear()
        torch.manual_seed(0)
        caption_loss(decoder, (torch.zeros(50, 1),), words, mixing)
        assert low <= int((torch.stack(told[1:]) == 2).sum()) <= high


def test_padding_of_regions_changes_nothing():
    torch.manual_seed(0)
    image, slots = torch.rand(2, 8), torch.rand(2, 5, 8) + 0.1
    padded = torch.cat([slots, torch.zeros(2, 3, 8)], 1)
    for network in (Toronto, TopDown):
        decoder = network(9, 8, width=6).eval()
        words = torch.tensor([[3, 4, END], [2, END, END]])
        a = caption_loss(decoder, decoder.begin(image, slots), words)
        b = caption_loss(decoder, decoder.begin(image, padded), words)
        assert torch.allclose(a, b, atol=1e-5)
    worse = caption_loss(decoder, decoder.begin(image, slots.flip(2)), words)
    assert not torch.allclose(a, worse, atol=1e-3)


def test_looking_everywhere_once_costs_nothing():
    decoder = Toronto(9, 8, width=6)
    h, c, slots, keys, there, looked = decoder.begin(torch.rand(2, 8), torch.rand(2, 5, 8))
    assert decoder.penalty((h, c, slots, keys, there, looked)).tolist() == [5, 5]
    assert decoder.penalty((h, c, slots, keys, there, looked + 1)).tolist() == [0, 0]
    decoder.eval()
    state, words = (h, c, slots, keys, there, looked), torch.tensor([[3, END], [END, END]])
    with_penalty = caption_loss(decoder, state, words)
    decoder.penalty = lambda state: torch.zeros(len(state[0]))
    cost = with_penalty - caption_loss(decoder, state, words)
    assert (cost > 0.1).all()  # five places, and two looks at the most


def test_words_and_classes_come_from_the_training_captions():
    language = learn_language([*LEARNT, ["A zebra."]], 100, 2, 50, 50)
    assert "zebra" not in language.words
    assert language.words[0] == "a"
    spelt = language.spell("A zebra, on a table!", 6)
    assert language.text(spelt[[0, 2, 3, 4]].tolist()) == "a on a table"
    assert spelt[1] == UNKNOWN
    assert spelt[5:].tolist() == [END, END]
    assert len(language.spell(" ".join(["cat"] * 30), 6)) == 7
    again = type(language).from_json(language.to_json(), "here")
    assert again.to_json() == language.to_json()
    assert again.hash == language.hash
    assert language.classes(CAPTIONS[2]).shape == (7,)
    with pytest.raises(UserError, match="word_count=99: no word"):
        learn_language(LEARNT, 100, 99, 50, 50)
    few = learn_language(LEARNT, 4, 1, 3, 2)
    assert len(few.words) == 3
    assert few.classes(CAPTIONS[0]).max() < 3


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_four_captions(name):
    torch.manual_seed(0)
    width = {"node_width": 16} if name in ("vp-tree", "s3e-imc") else {}
    model = build(
        name, "tiny", side=64, language_dropout=0, flip=False, rate=1e-2, words=60, **width
    )
    batch = whole_batch(model)
    seen = model.see(batch["whole"])
    model.see = lambda _whole: seen
    for number, steps in enumerate((20, 80)[-len(model.stages()) :]):
        stage, optimisers = start(model, number)
        for _ in range(steps):
            step(stage, optimisers, batch)
    del model.see
    model.eval()
    wanted = [
        model.language.text(model.language.spell(c, 20).unique_consecutive()[:-1].tolist())
        for c in CAPTIONS
    ]
    for beams in (1, 3):
        assert model.caption(photographs(), beams=beams) == wanted
    assert model.caption(photographs()[2:3].repeat(2, 1, 1, 1)) == [wanted[2]] * 2


@pytest.mark.parametrize("name", NAMES)
def test_the_resnet_never_moves_and_all_else_does(name):
    torch.manual_seed(0)
    model = build(name, "tiny", side=64, words=60)
    batch, before = whole_batch(model), copy.deepcopy(model.state_dict())
    for number in range(len(model.stages())):
        stage, optimisers = start(model, number)
        assert not any(module.training for module in model.resnet.modules())
        for _ in range(2):
            step(stage, optimisers, batch)
    after = model.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert not {key for key in moved if key.startswith("resnet")}
    # A score's bias is the same for all slots.
    still = before.keys() - moved
    assert {key for key in still if not key.startswith("resnet")} <= {
        key for key in before if key.endswith("score.bias")
    }


def test_without_co_training_the_tree_of_the_captioner_stays():
    assert build_meta("frozen").config.co_train is False
    torch.manual_seed(0)
    model = build("s3e-imc", "tiny", side=64, words=60, co_train=False)
    batch, before = whole_batch(model), copy.deepcopy(model.tree.state_dict())
    stage, optimisers = start(model, 1)
    step(stage, optimisers, batch)
    assert all(torch.equal(value, before[key]) for key, value in model.tree.state_dict().items())


def build_meta(preset: str) -> Captioned:
    with torch.device("meta"):
        return build("s3e-imc", preset)


def test_words_and_nodes_have_the_weights_of_the_paper():
    model = build("s3e-imc", "tiny", side=64, words=60).eval()
    found = model.losses(whole_batch(model))
    assert torch.allclose(found["loss"], 5e-3 * found["captions"] + 10 * found["tree"])


def test_nodes_of_the_vp_tree_are_vectors():
    model = build("vp-tree", "tiny", side=64, node_width=4).eval()
    v = torch.rand(2, model.resnet.channels, 2, 2)
    assert model.read(v).maps.shape == (2, 7, 4, 1, 1)
    assert torch.allclose(model.read(v).maps, model.read(v.flip(-1)).maps, atol=1e-6)
    assert build("s3e-imc", "tiny", node_width=4).read(v).maps.shape == (2, 7, 4, 2, 2)


def test_the_resnet_stays_in_eval_mode_and_fixed():
    network = FrozenResNet("resnet18")
    picture = torch.rand(2, 3, 64, 64)
    before = network(picture)
    network.train()
    assert torch.equal(network(picture), before)
    assert before.shape == (2, 512, 2, 2)
    assert not network(picture.requires_grad_()).requires_grad
    assert torch.equal(FrozenResNet("resnet18")(picture), before)


def test_an_untrained_deep_resnet_keeps_its_values_small():
    v = FrozenResNet("resnet152")(torch.rand(1, 3, 32, 32))
    assert v.shape == (1, 2_048, 1, 1)
    assert 1e-3 < v.std() < 10


def test_efficientnet_lite0_is_a_trunk_by_name(tmp_path, monkeypatch):
    model = build("nic", "tiny", side=64, resnet=efficientnet.NAME)
    assert (model.resnet.channels, model.writer.picture.in_features) == (1_280, 1_280)
    picture = torch.rand(2, 3, 64, 96)
    v = model.see(picture)
    assert v.shape == (2, 1_280, 2, 3)
    assert 1e-3 < (v[0] - v[1]).std() < 10
    network = efficientnet.untrained()
    assert torch.equal(v, network.forward_features(picture * 2 - 1))
    assert torch.equal(model.resnet.train()(picture), v)
    held = [value * 0.9 for value in network.state_dict().values() if value.ndim]
    held += [torch.zeros(shape) for shape in efficientnet.CLASSIFIER]
    torch.save({f"t{number}": value for number, value in enumerate(held)}, tmp_path / "w.pth")
    model.resnet.load(str(tmp_path / "w.pth"))
    assert torch.equal(model.resnet.network.conv_stem.weight, held[0])
    assert not torch.allclose(model.see(picture), v)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"resnet_weights=imagenet: .* fetch efficientnet-lite0"):
        build("nic", "tiny", resnet=efficientnet.NAME, resnet_weights="imagenet").prepare()
    torch.save({f"t{n}": v for n, v in enumerate(held[:-1])}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="not weights of tf_efficientnet_lite0"):
        model.resnet.load(str(tmp_path / "w.pth"))


def test_missing_weights_are_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with torch.device("meta"):
        model = build("nic")
    with pytest.raises(UserError, match=r"resnet152-394f9c45.* fetch resnet152") as error:
        model.prepare()
    assert "\n" not in str(error.value)
    assert "resnet_weights=random" in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_given_weights_are_read_strictly(tmp_path):
    network, path = FrozenResNet("resnet18"), tmp_path / "resnet18.pth"
    state = {k: v + 1 if v.is_floating_point() else v for k, v in network.state_dict().items()}
    state = {k: v for k, v in state.items() if k not in ("mean", "std")} | {
        "fc.weight": torch.zeros(2, 2)
    }
    torch.save(state, path)
    network.load(str(path))
    assert torch.equal(network.state_dict()["conv1.weight"], state["conv1.weight"])
    assert not torch.equal(network.mean, torch.ones(3, 1, 1))
    with pytest.raises(UserError, match="not weights of resnet34"):
        FrozenResNet("resnet34").load(str(path))


def test_sharp_pictures_if_asked():
    for kind in ("blur", "sharp"):
        model = build("nic", "tiny", side=64, flip=False, input=kind)
        batch = whole_batch(model)
        assert torch.allclose(batch["whole"].mean(), CaptionedPairs().pictures[kind].mean(), 1e-3)
    assert {"whole", "words", "classes"} <= batch.keys()


def test_one_of_several_captions_is_drawn_each_epoch():
    model = build("nic", "tiny", side=64)
    model.learn_language(LEARNT)
    pairs = CaptionedPairs()
    pairs.sample = lambda index, _epoch: {**pairs[index], "captions": CAPTIONS[:3]}  # type: ignore[method-assign]
    training = TrainingPairs(pairs, model.config, 0, model.reader())  # type: ignore[arg-type]
    found = [tuple(training[position]["words"].tolist()) for position in range(40)]
    assert len(set(found)) == 3
    assert found == [tuple(training[position]["words"].tolist()) for position in range(40)]
    pairs.sample = lambda index, _epoch: {**pairs[index], "captions": []}  # type: ignore[method-assign]
    with pytest.raises(UserError, match="without captions"):
        training[0]


def test_places_follow_crop_and_mirror():
    place = places(4, 6)
    assert place[:, 0, 0].tolist() == pytest.approx([-5 / 6, -3 / 4])
    assert torch.equal(places(4, 6, True)[0], -place[0])
    ramp = torch.arange(6.0).expand(1, 1, 4, 6)
    grid = place[None, :, 1:3, 2:5].permute(0, 2, 3, 1)
    assert torch.allclose(F.grid_sample(ramp, grid, align_corners=False), ramp[..., 1:3, 2:5])


def test_regions_come_from_files(tmp_path):
    for index in range(4):
        np.save(tmp_path / f"p{index}.npy", np.random.default_rng(index).random((3 + index, 512)))
    model = build("topdown", "tiny", side=64, words=60, regions=str(tmp_path), region_count=5)
    batch = whole_batch(model)
    assert batch["regions"].shape == (4, 5, 512)
    counts = sorted(int(each.any(-1).sum()) for each in batch["regions"])
    assert counts == [3, 4, 5, 5]
    ids = [f"p{index}" for index in range(4)]
    model.caption(photographs(), ids)
    with pytest.raises(UserError, match="ids"):
        model.caption(photographs())
    with pytest.raises(UserError, match=r"px\.npy: no such file"):
        model.caption(photographs()[:1], ["px"])
    np.save(tmp_path / "bad.npy", np.zeros((3, 4)))
    with pytest.raises(UserError, match=r"bad\.npy: shape"):
        Regions(tmp_path, 512, 5).read("bad")


def test_a_captioner_restores_nothing():
    model = build("nic", "tiny")
    with pytest.raises(UserError, match="restores none"):
        model.deblur(torch.rand(1, 3, 32, 32))
    with pytest.raises(UserError, match="no vocabulary"):
        model.caption(torch.rand(1, 3, 32, 32))
    assert isinstance(model.decoder, nn.Module)


def test_stages_of_the_papers(monkeypatch):
    for name, names in (("nic", ["captions"]), ("s3e-imc", ["tree", "captions"])):
        with torch.device("meta"):
            model = build(name)
        monkeypatch.setattr(model.resnet, "load", lambda _weights: None)
        assert [stage.name for stage in model.stages()] == names
        (update,) = model.stages()[-1].updates
        rates = [update.lr * update.schedule(t) for t in (0, 0.15, 0.95)]
        wanted = [5e-4, 4e-4, 5e-4 * 0.8**9] if name == "nic" else [1e-4, 1e-4, 1e-5]
        assert rates == pytest.approx(wanted)
        assert model.resnet not in update.modules


def test_the_share_of_own_words_grows_with_the_epochs():
    model = build("nic", "tiny", side=32, sampling=0.25, sampling_epochs=5)
    model.learn_language(LEARNT)
    training = TrainingPairs(CaptionedPairs(), model.config, 0, model.reader())  # type: ignore[arg-type]
    shares = [float(training[position]["sampling"]) for position in (0, 4, 20, 80)]
    assert shares == pytest.approx([0, 0.05, 0.25, 0.25])
