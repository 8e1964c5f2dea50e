"""A recipe that mixes recipes: each pair is made as one of them, drawn for it, makes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blurbench.blurs.base import Family
from blurbench.blurs.registry import Mixture, parts_of
from blurbench.errors import UserError
from blurbench.recipes.recipe import (
    PROSE,
    Recipe,
    find_recipe,
    parse_recipe,
    read_document,
    recipe_names,
    validated,
)
from blurbench.recipes.shares import shares_of

# What is done to a picture; each of the mixed recipes has its own.
THEIRS = ("objects", "prepare", "blur", "identity", "region", "crop", "sensor", "noise")
ANY = {"family": "disk", "radius": [1.0, 1.0]}  # holds the place of the blurs until they are read
# Of a recipe, kept once they were asked for.
DERIVED = ("frames", "shots", "cuts", "looks_for", "measured")


def mixed(document: dict[str, Any], file: str, folder: Path | None) -> Recipe:
    """The recipe with those that it mixes read; UserError names `file` and what does not fit."""
    if any("pixels" in each for each in _tables(document["mix"])):
        told = "is on record here, and not made again from that; take the recipe's own file"
        raise UserError(f"{file}: mix: what was mixed {told}")
    if stated := [name for name in THEIRS if name in document]:
        raise UserError(f"{file}: {stated[0]}: leave it out; each of the mixed recipes has its own")
    plain = validated(Recipe, {**document, "blur": ANY}, file)
    given = plain.mix or ()
    try:
        shares = shares_of([each.weight for each in given])
    except ValueError as error:
        raise UserError(f"{file}: mix: {error}") from None
    parts = [_part(each.recipe, plain, file, folder) for each in given]
    _refuse_unlike(parts, file)
    looking = [part.objects for part in parts if "objects" in part.looks_for]
    mix = tuple(
        each.read(part, share) for each, part, share in zip(given, parts, shares, strict=True)
    )
    objects = looking[0] if looking else None
    filled = {"mix": mix, "blur": _blurs(parts, shares), "objects": objects}
    recipe = plain.model_copy(update=filled)
    for name in DERIVED:  # of the place holder
        recipe.__dict__.pop(name, None)
    return recipe


def on_record(document: dict[str, Any], file: str) -> dict[str, Recipe]:
    """The recipes that drew the pairs of a made set, by name: as its dataset.json has them.

    Of one that mixes, those that it mixed. UserError as of `parse_recipe`.
    """
    prose = {name: document[name] for name in PROSE if name in document}
    kept = [{**prose, **each["pixels"]} for each in _tables(document.get("mix"))]
    recipes = [parse_recipe(each, file) for each in kept or [document]]
    return {recipe.name: recipe for recipe in recipes}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _part(name: str, whole: Recipe, file: str, folder: Path | None) -> Recipe:
    """One of the mixed recipes, with the labels of the whole."""
    shipped = name in recipe_names()
    path = find_recipe(name if shipped or folder is None else folder / name)
    document = read_document(path)
    if document.get("kind") == "existing":
        raise UserError(f"{file}: mix: {name} blurs nothing, its pairs exist; leave it out")
    if "mix" in document:
        raise UserError(f"{file}: mix: {name} mixes recipes itself; name these")
    part = parse_recipe(document, path.name, path.parent)
    if lacking := [label for label in part.labels if label not in whole.labels]:
        raise UserError(f"{file}: labels: {part.name} needs {lacking[0]}; add it")
    if part.depth == 16:
        raise UserError(f"{file}: mix: {part.name} keeps 16 bits, others of a mixture would not")
    return part.model_copy(update={"labels": whole.labels})


def _refuse_unlike(parts: Sequence[Recipe], file: str) -> None:
    """UserError where rows would differ in their columns, or sources in what they hold."""
    if len({part.name for part in parts}) < len(parts):
        raise UserError(f"{file}: mix: two recipes have one name, and so the same random numbers")
    looking = [part for part in parts if "objects" in part.looks_for]
    for part in looking[1:]:
        if part.objects != looking[0].objects:
            names = f"{looking[0].name} and {part.name}"
            raise UserError(f"{file}: mix: {names} differ in what an object is (objects)")
    for part in parts[1:]:
        for (what, of_first), of_part in zip(
            _kinds(parts[0]).items(), _kinds(part).values(), strict=True
        ):
            if of_first != of_part:
                raise UserError(
                    f"{file}: mix: {parts[0].name} and {part.name} differ in {what}; all rows of a"
                    " data set have the same columns"
                )


def _kinds(part: Recipe) -> dict[str, Any]:
    return {
        "the frames that they average": part.frames,
        "whether they know how long their blur is": part.measured,
        "whether they name the type of their blur": part.shots,
        "where the blur is (region)": part.region and part.region.kind,
    }


def _blurs(parts: Sequence[Recipe], shares: Sequence[float]) -> Mixture:
    """All families with how often each is drawn: what is told of the mixture, and previewed."""
    families: list[Family] = []
    weights: list[float] = []
    for part, share in zip(parts, shares, strict=True):
        own = parts_of(part.blur)
        stated = part.blur.weights if isinstance(part.blur, Mixture) else ()
        families += own
        weights += [share * weight for weight in stated or (1 / len(own),) * len(own)]
    return Mixture(family="mixture", parts=tuple(families), weights=tuple(weights))
