"""A cell is the mean over its seeds, and keeps each seed's value."""

from pathlib import Path

import pytest

from blurbench.ranking.printed import table
from blurbench.reproduce.build import Builder
from blurbench.reproduce.outcomes import Made, Scored, outcome
from blurbench.reproduce.scales import Scale
from blurbench.reproduce.side_by_side import below_first_stage, render_csv, render_page
from blurbench.reproduce.suites import Cell, cells
from blurbench.scoring.result_folder import Measured, ScoredData


def scored(found: list[Cell], values: dict[int, dict[str, float]], out: Path) -> Scored:
    """Results of some seeds: seed -> model -> PSNR."""
    data = ScoredData(digest="0" * 64, recipe="concert", split="test", images=2)
    all_of_them = Scored({}, {}, {})
    for cell in found:
        for seed, of_models in values.items():
            assert cell.scoring is not None
            own = cell.scoring.seeded(seed)
            model = own.training.model if own.training else ""
            if model not in of_models:
                all_of_them.reasons[own] = "out of memory"
                continue
            means: dict[str, float | None] = {"psnr": of_models[model]}
            summary = Measured(model=own.name, data=data, protocol="wang-rgb", means=means)
            all_of_them.made[own] = Made(out / own.name, summary)
    return all_of_them


@pytest.fixture
def brmr(tmp_path):
    """BRMR's table 2 with three seeds, of which one has no DeblurGAN."""
    builder = Builder(tmp_path, scale=Scale("small", seeds=3))
    every = {"deepdeblur": 27.0, "deblurgan": 28.0, "igan": 29.0, "brmr": 28.5}
    seeds = {n: {name: value + n / 10 for name, value in every.items()} for n in (1, 2, 3)}
    del seeds[2]["deblurgan"]
    found = cells("brmr-2")
    made = scored(found, seeds, tmp_path)
    return builder, [outcome(cell, made, builder) for cell in found]


def test_a_cell_is_the_mean_over_seeds(brmr):
    builder, (deepdeblur, deblurgan, _, _) = brmr
    assert deepdeblur.measured == pytest.approx(27.2)
    assert deepdeblur.seeds == pytest.approx({1: 27.1, 2: 27.2, 3: 27.3})
    # What could not be measured is left out of the mean, and the number of seeds says so.
    assert deblurgan.measured == pytest.approx(28.2)
    assert list(deblurgan.seeds) == [1, 3]
    lines = render_csv("brmr-2", builder, list(brmr[1])).splitlines()
    assert ",3,1:27.1 2:27.2 3:27.3," in lines[1]
    assert ",2,1:28.1 3:28.3," in lines[2]


def test_the_page_says_why_a_method_is_below_its_own_first_stage(brmr):
    builder, outcomes = brmr
    [told] = below_first_stage("brmr-2", outcomes)
    assert told.startswith("adversarial BRMR is 0.50 dB below iGAN, its own first stage: pGAN")
    page = render_page(table("brmr-2"), builder, outcomes, None)
    assert "Below its own first stage" in page
    assert "means over 3 seeds" in page
    assert "seed 1: 27.10, seed 2: 27.20, seed 3: 27.30" in page
    assert below_first_stage("brmr-2", outcomes[:3]) == []
