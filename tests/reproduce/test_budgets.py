"""Rows that are compared see equally many samples, in every table and at every scale."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from blurbench.ranking.printed import tables
from blurbench.reproduce import suites
from blurbench.reproduce.planned import beside, planned, without_preset
from blurbench.reproduce.scales import BUDGETS, DEMO, FLOOR, Samples, Scale, epochs
from blurbench.reproduce.suites import Training, Variant, cells, trainings

NAMES = list(tables())
SCALES = [DEMO, Scale("small", 3), Scale("small", 3, share=0.35), Scale("paper")]


def unequal(name: str, scale: Scale) -> list[str]:
    """Rows of a table whose restoring stages see other than the table states."""
    found = []
    for training in trainings(cells(name)):
        if without_preset(training, scale) or only_beside(training, scale):
            continue
        wanted = BUDGETS[name][training.recipe].at(scale)
        plan = planned(training, scale)
        config = plan.model.config
        # A whole number of batches: the fewest that are enough.
        batch = max(config.batch_size, *config.batches, 0)
        if not wanted <= plan.budget.restoring < wanted + batch:
            found.append(f"{training.name}: {plan.budget.restoring} and not {wanted}")
        if getattr(config, "patience", None):
            found.append(f"{training.name}: may end early")
    return found


def only_beside(training: Training, scale: Scale) -> bool:
    """Whether it trains no more than a tool that looks at pictures: SN of UMSN's table II."""
    return training.model == "umsn" and planned(training, scale).budget.restoring == 0


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: f"{s.name}-{s.share:g}")
@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_compared_see_equally_many_samples(name, scale):
    assert unequal(name, scale) == []


def test_tables_that_share_a_run_agree_on_it():
    for scale in SCALES:
        steps: dict[tuple[str, str], int] = {}
        for name in NAMES:
            for training in trainings(cells(name)):
                if not without_preset(training, scale):
                    key = training.recipe, training.name
                    wanted = planned(training, scale).steps
                    assert steps.setdefault(key, wanted) == wanted, (name, key)


def with_variant(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    monkeypatch.setitem(suites.VARIANTS, ("s3e-1", "DeblurGAN"), Variant(**fields))  # type: ignore[arg-type]


def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    with_variant(monkeypatch, steps=630_900)  # what 0.1.0 gave it


def fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    own = suites._scoring

    def scoring(name, printed, variant):
        found = own(name, printed, variant)
        if found.training and found.training.model == "udeconv":
            short = replace(found.training, samples=epochs(57, 11_000))
            return replace(found, restored_by=short)
        return found

    monkeypatch.setattr(suites, "_scoring", scoring)


def as_the_preset_says(monkeypatch: pytest.MonkeyPatch) -> None:
    own = suites._scoring

    def scoring(name, printed, variant):
        found = own(name, printed, variant)
        return replace(found, restored_by=replace(found.training, samples=None))

    monkeypatch.setattr(suites, "_scoring", scoring)


@pytest.mark.parametrize("spoil", [fewer_steps, fewer_samples, as_the_preset_says])
def test_an_unequal_suite_is_caught(
    spoil: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unequal("s3e-1", Scale("paper")) == []
    spoil(monkeypatch)
    assert unequal("s3e-1", Scale("paper"))


def test_a_table_states_the_budget_of_its_paper():
    stated = {name: dict(samples) for name, samples in BUDGETS.items()}
    assert stated["s3e-1"]["sev-blurdata"].paper == 3_300_000
    assert stated["s3e-1"]["sev-blurdata"].words == "300 epochs of 11,000 pairs"
    assert stated["sp-2"]["realblur-j"].paper == 700 * 3_758
    assert stated["umsn-6"]["umsn-faces"].paper == 1_600_000
    assert set(stated) == set(NAMES)


def test_what_a_method_needs_beside_is_stated_apart():
    rows = {training.model: training for training in trainings(cells("brmr-2"))}
    assert planned(rows["brmr"], DEMO).budget.restoring == 320
    assert beside(rows["brmr"], DEMO) == {"pgan": 316}
    assert beside(rows["igan"], DEMO) == {}
    tuned = next(each for each in trainings(cells("sp-1")) if each.init)
    assert beside(tuned, Scale("paper")) == {"first weights of mimo-unet-plus": 1_472_100}
    assert planned(tuned, Scale("paper")).teacher


def test_samples_are_cut_to_a_share_and_never_below_the_floor():
    samples = Samples(1_000_000, "", small=20_000)
    assert samples.at(Scale("small", 3, share=0.5)) == 10_000
    assert samples.at(Scale("small", 3, share=0.01)) == FLOOR
    assert samples.at(Scale("paper")) == 1_000_000
    assert Samples(1, "", small=500).at(Scale("small")) == 500
