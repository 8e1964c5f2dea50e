"""Tiles and self-ensembles against whole pictures."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.images import to_levels
from blurbench.models import build
from blurbench.runs.ensemble import self_ensemble
from blurbench.runs.tiles import check_tile, overlap, restore_in_tiles, spans


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def counted(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, dict]]:
    return lambda blur: (function(blur), {"calls": 1.0})


@settings(deadline=None)
@given(st.integers(1, 2000), st.sampled_from([1, 4, 16]), st.integers(2, 40))
def test_spans_cover_all_share_enough_and_add_up_to_one(
    length: int, multiple: int, multiples: int
) -> None:
    tile = multiple * multiples
    found = spans(length, tile, multiple)
    total = np.zeros(length)
    for span in found:
        assert span.start % multiple == 0
        assert 0 < span.stop - span.start <= tile
        assert (span.weights >= 0).all()
        total[span.start : span.stop] += span.weights
    assert np.allclose(total, 1, atol=1e-6)
    for one, other in pairwise(found):
        assert one.stop - other.start >= overlap(tile, multiple) - multiple + 1
        assert other.start > one.start


def test_a_tile_says_nothing_next_to_a_seam() -> None:
    first, second, *_ = spans(1000, 256, 8)
    assert (first.weights[-20:] == 0).all()
    assert (second.weights[:20] == 0).all()
    assert (first.weights[:20] == 1).all()


@pytest.mark.parametrize("shape", [(64, 64), (65, 200), (130, 70), (31, 17)])
def test_nothing_done_leaves_every_pixel_as_it_was(shape: tuple[int, int]) -> None:
    blur = picture(*shape)
    restored, figures = restore_in_tiles(blur, counted(lambda x: x), 64, 16)
    assert np.array_equal(to_levels(restored), blur)
    assert figures["calls"] == len(spans(shape[0], 64, 16)) * len(spans(shape[1], 64, 16))


def test_a_filter_that_sees_less_than_is_thrown_away_makes_no_seam() -> None:
    blur = picture(150, 170)
    box = nn.AvgPool2d(15, 1, 7, count_include_pad=False)
    whole, _ = restore_in_tiles(blur, counted(box), 512, 4)
    for tile in (64, 100, 128):  # neighbours share 32 px or more, of which 8 on each side count not
        tiled, _ = restore_in_tiles(blur, counted(box), tile, 4)
        assert np.abs(tiled - whole).max() < 1e-5


def test_the_seams_of_a_network_of_convolutions_are_below_a_grey_level() -> None:
    torch.manual_seed(0)
    model = build("mimo-unet", preset="tiny")
    blur = nn.functional.avg_pool2d(torch.rand(3, 262, 310), 7, 1).permute(1, 2, 0).numpy()
    image = (blur * 255).astype(np.uint8)
    whole, _ = restore_in_tiles(image, model.deblur_counted, 512, model.multiple)
    tiled, _ = restore_in_tiles(image, model.deblur_counted, 192, model.multiple)
    assert np.abs(255 * whole - image).max() > 5
    assert 255 * np.abs(tiled - whole).max() < 1


def test_only_one_row_of_tiles_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    image, largest, zeros = picture(1000, 100), [], np.zeros

    def recorded(shape, *more):
        largest.append(int(np.prod(shape)))
        return zeros(shape, *more)

    monkeypatch.setattr("blurbench.runs.tiles.np.zeros", recorded)
    restore_in_tiles(image, counted(lambda x: x), 64, 16)
    assert max(largest) == 3 * 64 * 100


def test_progress_counts_tiles() -> None:
    seen: list[tuple[int, int]] = []
    restore_in_tiles(
        picture(100, 70), counted(lambda x: x), 64, 16, lambda *told: seen.append(told)
    )
    assert seen == [(number, len(seen)) for number in range(1, len(seen) + 1)]
    assert len(seen) > 3


@pytest.mark.parametrize("tile", [8, 40, 16])
def test_tiles_that_a_network_cannot_take_are_refused(tile: int) -> None:
    with pytest.raises(UserError, match="multiple of 16, 32 or more"):
        check_tile(tile, 16, "toy")
    check_tile(48, 16, "toy")


def test_an_equivariant_network_is_its_own_ensemble() -> None:
    blur = torch.rand(1, 3, 9, 13)
    box = nn.AvgPool2d(3, 1, 1)
    restored, figures = self_ensemble(counted(box), blur)
    assert torch.allclose(restored, box(blur), atol=1e-6)
    assert figures == {"calls": 1.0}


def test_an_ensemble_is_the_mean_of_eight_positions() -> None:
    torch.manual_seed(0)
    blur, network = torch.rand(2, 3, 6, 10), nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
    wanted = []
    for transpose in (False, True):  # the eight, made otherwise: transposed, upside down, mirrored
        for axes in ((), (-2,), (-1,), (-2, -1)):
            turned = blur.transpose(-2, -1) if transpose else blur
            back = network(turned.flip(axes)).flip(axes)
            wanted.append(back.transpose(-2, -1) if transpose else back)
    restored, _ = self_ensemble(counted(network), blur)
    assert torch.allclose(restored, torch.stack(wanted).mean(0), atol=1e-6)
    assert not torch.allclose(restored, network(blur), atol=1e-2)
