"""A recipe among those that another one mixes (mixing.py)."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr

from blurbench.blurs.base import RecipeTable

if TYPE_CHECKING:
    from blurbench.recipes.recipe import Recipe


class Ingredient(RecipeTable):
    """Which recipe, and how many of the pairs it makes."""

    recipe: str = Field(min_length=1)  # a shipped name, or a .toml file beside the mixing recipe
    weight: float | None = None  # share of the pairs; None: of what the others leave
    pixels: dict[str, Any] | None = None  # its settings; filled in when the recipe is read
    _made: Any = PrivateAttr(None)

    @property
    def made(self) -> "Recipe":
        """The recipe itself; ValueError before it is read."""
        if self._made is None:
            raise ValueError(f"{self.recipe}: not read")
        found: Recipe = self._made
        return found

    def read(self, recipe: "Recipe", share: float) -> "Ingredient":
        """This one with the recipe that it names."""
        told = {"recipe": recipe.name, "weight": share, "pixels": recipe.pixels()}
        found = self.model_copy(update=told)
        found._made = recipe
        return found
