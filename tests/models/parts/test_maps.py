import torch

from blurbench.models.parts.maps import coloured, grey


def test_colours_run_from_the_lowest_to_the_highest_value() -> None:
    picture = coloured(torch.tensor([[-3.0, 5.0]]))
    dark, bright = picture[:, 0, 0], picture[:, 0, 1]
    assert picture.shape == (3, 1, 2)
    assert dark.sum() < 0.8 < 1.5 < bright.sum()
    assert bright[0] > 0.9  # yellow: red and green
    assert bright[2] < 0.3


def test_a_constant_map_has_a_colour() -> None:
    assert torch.isfinite(coloured(torch.ones(2, 2))).all()


def test_maps_grow_without_blending() -> None:
    assert grey(torch.tensor([[0.0, 2.0]]), (2, 4)).tolist() == [[[0, 0, 1, 1]] * 2] * 3
