"""What the studies state: one question, equal budgets, hours that add up; each arm can be built."""

import pytest

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.recipes.recipe import Recipe, load_recipe, parse_recipe
from blurbench.reproduce.studies.measures import MEASURES
from blurbench.reproduce.studies.registry import STUDIES, find_study
from blurbench.reproduce.studies.study import IDENTITY, PREFIX, SEEDS
from blurbench.training.budget import spent

EACH = pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
EQUAL = [name for name in STUDIES if name != "study-severity"]  # which is of equal time
LONGER = {"bn-longer", "igan"}  # as many seconds as its rival; what others begin with


def settings(arm):
    return {**arm.settings, **arm.files}


@EACH
def test_names_are_told_apart_and_lead_somewhere(study):
    assert study.name.startswith(PREFIX)
    names = [arm.name for arm in (*study.arms, *study.measured)]
    assert len(set(names)) == len(names)
    assert IDENTITY not in names
    for contrast in study.contrasts:
        assert set(contrast.arms) <= set(names)
        assert contrast.octave is None or contrast.octave in study.octaves
    assert len({contrast.name for contrast in study.contrasts}) == len(study.contrasts)
    assert {measure.name for measure in study.measures} <= set(MEASURES)
    for arm in (*study.arms, *study.measured):
        assert not arm.begins_with or study.arm(arm.begins_with).steps
        assert bool(arm.steps) != bool(arm.weights)


@EACH
def test_hours_add_up_and_no_run_is_long(study):
    assert study.minutes(SEEDS) <= 60 * study.hours <= 360
    # No training is over 25 minutes; public weights are as slow as they are.
    assert all(0 < arm.minutes <= (27 if arm.weights else 25) for arm, _ in study.runs(1))


def test_all_studies_together_fit_a_day():
    assert sum(study.hours for study in STUDIES.values()) <= 25


@EACH
def test_the_primary_contrast_runs_first_seed_by_seed(study):
    order = [(arm.name, seed) for arm, seed in study.runs(SEEDS)]
    assert (
        len(order)
        == len(set(order))
        == sum(len(arm.seeds(SEEDS)) for arm in (*study.arms, *study.measured))
    )
    first = [(name, seed) for seed in (1, 2, 3) for name in study.primary.arms]
    assert [run for run in first if run in order] == order[: len(set(first) & set(order))]


@EACH
def test_every_arm_can_be_built(study):
    for arm in (*study.arms, *study.measured):
        assert build(arm.model, arm.preset, **settings(arm)).config


@pytest.mark.parametrize("name", EQUAL)
def test_what_is_compared_sees_equal_samples(name):
    study = STUDIES[name]
    of = {a.name: spent(build(a.model, a.preset, **settings(a)), a.steps) for a in study.arms}
    for contrast in study.contrasts:
        if not LONGER & set(contrast.arms):
            assert len({of[arm].restoring for arm in contrast.arms}) == 1, contrast.name


def test_captioners_of_study_s3e_see_equal_captions():
    (cider,) = STUDIES["study-s3e"].measures
    seen = {spent(build(a.model, a.preset, **settings(a)), a.steps).restoring for a in cider.arms}
    assert seen == {900 * 16}


def test_networks_of_study_umsn_are_of_one_size():
    arms = {
        arm.name: build(arm.model, arm.preset, **settings(arm))
        for arm in STUDIES["study-umsn"].arms
    }
    sizes = {}
    for name, model in arms.items():
        restoring = getattr(model.network, "restoring_modules", lambda m=model: (m.network,))()
        sizes[name] = parameter_count(*restoring)
    assert max(sizes.values()) <= 1.02 * min(sizes.values()), sizes


def test_the_widened_backbone_of_study_sp_has_the_parameters_of_the_prior():
    study = STUDIES["study-sp"]
    sizes = [
        parameter_count(*build(a.model, a.preset, **settings(a)).inference_modules())
        for a in (study.arm("net0-wide"), study.arm("trained"))
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


@EACH
def test_recipes_stay_recipes_under_what_a_study_changes(study):
    recipe = load_recipe(study.data.recipe)
    changed = recipe.model_copy(update=dict(study.data.changes))
    assert set(study.data.changes) <= set(Recipe.model_fields)
    again = parse_recipe(changed.model_dump(mode="json", exclude_none=True), "study.toml")
    assert again.pixels() == changed.pixels()


def test_studies_are_found():
    assert find_study("study-umsn").name == "study-umsn"
    with pytest.raises(UserError, match=r"no such study \(did you mean study-\w+\?\)"):
        find_study("study-none")
