"""What stands in for the papers' data at demo scale: built-in pictures under the same kind of blur.

Where a recipe makes its pairs, the stand-in is that recipe on built-in pictures, with fewer of
them. Where pairs exist (GoPro, HIDE, ...), another recipe comes as near as any that is shipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from blurbench.errors import UserError
from blurbench.recipes.recipe import Images, Recipe, Recognition, Replicas, load_recipe
from blurbench.sources.items import Source
from blurbench.sources.open import open_for

PHOTOS, FACES = "builtin:photos", "builtin:procedural-faces"
PICTURES = {PHOTOS: "crops of a few built-in photographs", FACES: "drawn, synthetic faces"}
TRAIN, TEST = 16, 8  # source images; six pictures is what an interval takes


@dataclass(frozen=True)
class StandIn:
    """A shipped recipe on a built-in source, with the fields of it that change."""

    recipe: str
    source: str
    blur: str = "its own"  # in words, of the kind of blur
    replicas: tuple[int, int] = (2, 1)  # of a picture: train, test
    more: int = 4  # times as many of a picture to train, where all pictures there are count
    images: tuple[int, int] = (TRAIN, TEST)
    severity: tuple[float, float] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)  # other fields of the recipe

    def describe(self) -> str:
        """One line, for people."""
        return f"{PICTURES[self.source]}, blur: {self.blur}"


MOVED = "motion flow, which varies over the picture as an average of frames does"
STAND_INS: dict[str, StandIn] = {
    "sev-blurdata": StandIn("sev-blurdata", PHOTOS),
    "lesssev-blurdata": StandIn("lesssev-blurdata", PHOTOS),
    "sev-gopro": StandIn("sev-gopro", PHOTOS),
    "gopro": StandIn("demo", PHOTOS, MOVED),
    "hide": StandIn("demo", PHOTOS, f"{MOVED}; longer than for GoPro", severity=(0.5, 0.9)),
    "realblur-j": StandIn("realistic", PHOTOS, "camera shake in linear light, saturation, noise"),
    "concert": StandIn("concert", PHOTOS, replicas=(7, 7), more=1),
    "concert-partial": StandIn("concert-partial", PHOTOS, images=(0, TEST)),
    "umsn-faces": StandIn("umsn-faces", FACES, images=(TRAIN, 0)),
    "umsn-faces-test": StandIn("umsn-faces-test", FACES, images=(0, TEST)),
    "umsn-recognition": StandIn(
        "umsn-recognition",
        FACES,
        replicas=(1, 2),
        changes={"recognition": Recognition(probes=12, gallery=3)},
    ),
    "pubfig": StandIn(
        "umsn-faces-test", FACES, "trajectories, as in umsn-faces-test", (1, 2), images=(0, TEST)
    ),
}


def stand_in(name: str, all_there_are: bool = False) -> tuple[Recipe, StandIn]:
    """The recipe that stands in for `name`, and what it is; UserError where there is none.

    A handful of pictures, or all that the built-in source has.
    """
    if name not in STAND_INS:
        raise UserError(f"recipe {name} has no stand-in on built-in pictures")
    made = STAND_INS[name]
    recipe = load_recipe(made.recipe)
    train, test = (None if all_there_are and count else count for count in made.images)
    replicas = made.replicas[0] * (made.more if all_there_are else 1)
    changes: dict[str, Any] = {
        "name": f"{name}-stand-in",
        "title": f"Stand-in for {name}: {made.describe()}",
        "images": Images(train=train, val=0, test=test),
        "replicas": Replicas(train=replicas, test=made.replicas[1]),
        **made.changes,
    }
    if made.severity:
        changes["blur"] = recipe.blur.model_copy(update={"severity": made.severity})
    return recipe.model_copy(update=changes), made


def pictures(made: Recipe, of: StandIn) -> Source:
    """The built-in pictures of what `stand_in` gave; of faces to recognise those of split test."""
    source = open_for(made, of.source)
    if not made.recognition:
        return source
    # Recognition takes people of any split, and umsn-faces trains on 160 of these 200.
    tested = tuple(item for item in source.items if item.split == "test")
    return replace(source, items=tested)
