"""What `blurbench list` prints: one row a recipe, model, metric or protocol."""

from typing import Any

Row = dict[str, Any]


def rows(what: str) -> list[Row]:
    """Rows of `recipes`, `models`, `metrics` or `protocols`; the first column is the name."""
    return {"recipes": recipes, "models": models, "metrics": metrics, "protocols": protocols}[
        what
    ]()


def recipes() -> list[Row]:
    """Every shipped recipe."""
    from blurbench.data.manifest import Recipe, load_any_recipe, recipe_names

    loaded = (load_any_recipe(name) for name in recipe_names())
    return [
        {
            "name": recipe.name,
            "family": recipe.blur.family if isinstance(recipe, Recipe) else recipe.kind,
            "title": recipe.title,
        }
        for recipe in loaded
    ]


def models() -> list[Row]:
    """Every model, with the cost of what it runs at test in preset `paper`."""
    from blurbench.models import MODELS, model_class
    from blurbench.models.cost import cost

    listed = []
    for name in MODELS:
        params, gmacs = cost(name)
        kind = model_class(name)
        listed.append(
            {
                "name": name,
                "preset": "paper",
                "params": params,
                "gmacs_256": round(gmacs, 3),
                "presets": list(kind.PRESETS),
                "paper": kind.PAPER,
            }
        )
    return listed


def metrics() -> list[Row]:
    """Every metric."""
    from blurbench.metrics import METRICS

    return [
        {
            "name": name,
            "better": "higher" if metric.higher_is_better else "lower",
            "unit": metric.unit,
        }
        for name, metric in METRICS.items()
    ]


def protocols() -> list[Row]:
    """Every protocol that metrics can be computed under."""
    from blurbench.metrics import PROTOCOLS

    return [
        {"name": name, "description": protocol.description} for name, protocol in PROTOCOLS.items()
    ]
