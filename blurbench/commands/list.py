"""`blurbench list`: what there is by name: recipes, families, models and so on, a row each."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import click

from blurbench.commands.options import OneOf
from blurbench.errors import UserError, one_line
from blurbench.plugins import PlugIns
from blurbench.tables import as_table

Listed = dict[str, Any]
# The rows, and a line for each entry point of another package that cannot be used.
Listing = tuple[list[Listed], list[str]]

KINDS = (
    *("recipes", "sources", "families", "models", "presets", "weights"),
    *("metrics", "protocols", "tables", "studies", "boards"),
)
NUMBERS = (
    "params",
    "GMACs",
    "values",
    "runs",
    "rows",
    "minutes",
    "core-hours",
    "steps",
    "batch",
    "crop",
)  # columns of text on the right


@click.command("list")
@click.argument("what", type=OneOf(KINDS), metavar="[WHAT]", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_command(what: str | None, as_json: bool) -> int:
    """What there is, by name.

    WHAT is one of recipes, sources, families, models, presets, weights, metrics, protocols, tables,
    studies, boards. Without it: the names of all.
    """
    what = what or "kinds"
    rows, faults = listing(what)
    click.echo(json.dumps(rows, indent=2) if as_json else as_text(what, rows))
    for line in faults:
        click.echo(line, err=True)
    return 0


def listing(what: str) -> Listing:
    """Rows of one kind; names come first."""
    return {
        "kinds": kinds,
        "recipes": recipes,
        "sources": sources,
        "families": families,
        "models": models,
        "presets": presets,
        "weights": weights,
        "metrics": metrics,
        "protocols": protocols,
        "tables": tables,
        "studies": studies,
        "boards": boards,
    }[what]()


def as_text(what: str, rows: list[Listed]) -> str:
    """The rows in columns, with the package behind each name that another than blurbench adds."""
    lines = [shown(what, row) for row in rows]
    for line, row in zip(lines, rows, strict=True):
        # No column of its own: beside six others it would leave 80 characters no room for names.
        if package := row.get("package"):
            line["name"] += f" ({package})"
    return as_table(lines, right=NUMBERS)


def shown(what: str, row: Listed) -> dict[str, str]:
    """What people see of a row, by heading: enough for a line, and short."""
    if what == "models":
        return {
            "name": row["name"],
            "params": f"{row['params'] / 1e6:.2f}\N{NO-BREAK SPACE}M",
            "GMACs": f"{row['gmacs_256']:.1f}",
            "presets": ", ".join(row["presets"]),
            "tables": grouped(row["tables"]),
            "licence": row["licence"],
        }
    if what == "tables":
        return {
            "name": row["name"],
            "paper": row["paper"],
            "values": str(row["values"]),
            "metrics": ", ".join(row["metrics"]),
            "caption": row["caption"],
        }
    if what == "studies":
        return {
            "name": row["name"],
            "question": row["question"],
            "primary contrast": row["primary"],
            "runs": str(row["runs"]),
            "core-hours": f"{row['core_hours']:g}",
        }
    told = {key: value for key, value in row.items() if key not in {"package", "file"}}
    return {
        key: ", ".join(value) if isinstance(value, list) else str(value)
        for key, value in told.items()
    }


def grouped(names: list[str]) -> str:
    """`sp-1, 2; umsn-3` for sp-1, sp-2, umsn-3."""
    papers: dict[str, list[str]] = {}
    for name in names:
        paper, _, number = name.partition("-")
        papers.setdefault(paper, []).append(number)
    return "; ".join(f"{paper}-{', '.join(numbers)}" for paper, numbers in papers.items())


def gathered(
    built_in: Iterable[str], plug_ins: PlugIns, describe: Callable[[str], Listed]
) -> Listing:
    """What describes each name, ours first, with the package that adds it: null for ours."""
    rows: list[Listed] = [{**describe(name), "package": None} for name in built_in]
    faults = plug_ins.refused()
    for name in plug_ins.names():
        try:
            rows.append({**describe(name), "package": plug_ins.origin(name)})
        except UserError as error:
            faults.append(str(error))
        # A stranger's class fails in its own way, as where it lacks a preset called paper.
        except Exception as error:
            faults.append(one_line(error, f"{plug_ins.kind} {name!r} of {plug_ins.origin(name)}"))
    return rows, faults


def kinds() -> Listing:
    """Every kind of name with its names, without a look at what they mean."""
    from blurbench.blurs.registry import FAMILIES
    from blurbench.blurs.registry import PLUG_INS as families
    from blurbench.metrics import METRICS, PROTOCOLS
    from blurbench.metrics import PLUG_INS as metrics
    from blurbench.models import MODELS
    from blurbench.models import PLUG_INS as models
    from blurbench.ranking.printed import tables
    from blurbench.recipes.recipe import recipe_names
    from blurbench.reproduce.boards.suites import OPEN_BOARDS
    from blurbench.reproduce.studies.registry import STUDIES
    from blurbench.weights.listing import rows as weights

    found = {
        "recipes": recipe_names(),
        "sources": [row["name"] for row in sources()[0]],
        "families": [*FAMILIES, *families.names()],
        "models": [*MODELS, *models.names()],
        "weights": [row["name"] for row in weights()],
        "metrics": [*METRICS, *metrics.names()],
        "protocols": list(PROTOCOLS),
        "tables": list(tables()),
        "studies": list(STUDIES),
        "boards": list(OPEN_BOARDS),
    }
    faults = [*families.refused(), *models.refused(), *metrics.refused()]
    return [{"list": kind, "names": names} for kind, names in found.items()], faults


def sources() -> Listing:
    """Every source that needs no pictures of yours."""
    from blurbench.sources.open import BUILTIN

    return [{"name": name, "pictures": module.KIND} for name, module in BUILTIN.items()], []


def presets() -> Listing:
    """Every preset of every model, with what decides how long it trains."""
    from blurbench.models import MODELS, PLUG_INS, model_class

    found, faults = gathered(
        MODELS, PLUG_INS, lambda name: {"name": name, "presets": model_class(name).PRESETS}
    )
    rows = [
        {
            "name": f"{row['name']} {preset}",
            "steps": config.steps,
            "batch": numbers(config.batches or (config.batch_size,)),
            "crop": numbers(config.crops or (config.crop_size or "whole",)),
            "package": row["package"],
        }
        for row in found
        for preset, config in row["presets"].items()
    ]
    return rows, faults


def numbers(several: Iterable[Any]) -> str:
    """`128, 192` for a progressive training, `256` for another."""
    return ", ".join(map(str, several))


def weights() -> Listing:
    """Every file of weights; `blurbench weights list` tells more of each."""
    from blurbench.weights.listing import rows

    told = ("name", "what", "licence", "state")
    return [{key: row[key] for key in told} for row in rows()], []


def recipes() -> Listing:
    """Every shipped recipe."""
    from blurbench.recipes.recipe import Recipe, find_recipe, load_any_recipe, recipe_names

    loaded = (load_any_recipe(name) for name in recipe_names())
    rows = [
        {
            "name": recipe.name,
            "family": recipe.blur.family if isinstance(recipe, Recipe) else recipe.kind,
            "title": recipe.title,
            "file": str(find_recipe(recipe.name)),  # to copy: an installed package shows no folder
        }
        for recipe in loaded
    ]
    return rows, []


def families() -> Listing:
    """Every blur family that a recipe can name, with the fields of its table."""
    from blurbench.blurs.registry import FAMILIES, PLUG_INS, family_class

    def describe(name: str) -> Listed:
        kind = family_class(name)
        what = (kind.__doc__ or "").strip().split("\n")[0]
        fields = [field for field in kind.model_fields if field != "family"]
        return {"name": name, "blur": what, "fields": fields}

    return gathered(FAMILIES, PLUG_INS, describe)


def models() -> Listing:
    """Every model, with the cost of what it runs at test in preset `paper`."""
    from blurbench.models import MODELS, PLUG_INS, model_class
    from blurbench.models.cost import cost
    from blurbench.ranking.printed import tables_with

    def describe(name: str) -> Listed:
        kind = model_class(name)
        params, gmacs = cost(name)
        return {
            "name": name,
            "preset": "paper",
            "params": params,
            "gmacs_256": round(gmacs, 3),
            "presets": list(kind.PRESETS),
            "tables": list(tables_with(name)),
            "licence": kind.LICENCE,
            "paper": kind.PAPER,
        }

    return gathered(MODELS, PLUG_INS, describe)


def metrics() -> Listing:
    """Every metric."""
    from blurbench.metrics import METRICS, PLUG_INS, find_metric
    from blurbench.metrics.needs import needs_of

    def describe(name: str) -> Listed:
        metric = find_metric(name)
        better = "higher" if metric.higher_is_better else "lower"
        return {"name": name, "better": better, "unit": metric.unit, "needs": needs_of(name)}

    return gathered(METRICS, PLUG_INS, describe)


def protocols() -> Listing:
    """Every protocol that metrics can be computed under."""
    from blurbench.metrics import PROTOCOLS

    rows = [
        {"name": name, "description": protocol.description} for name, protocol in PROTOCOLS.items()
    ]
    return rows, []


def tables() -> Listing:
    """Every table of the papers."""
    from blurbench.ranking import printed

    rows = [
        {
            "name": table.name,
            "paper": table.paper,
            "printed_as": table.printed_as,
            "caption": table.caption,
            "values": sum(cell.number is not None for cell in table.cells),
            "metrics": list(table.metrics),
        }
        for table in printed.tables().values()
    ]
    return rows, []


def studies() -> Listing:
    """Every study, with what it would take for its three seeds."""
    from blurbench.reproduce.studies.registry import STUDIES
    from blurbench.reproduce.studies.study import SEEDS

    rows = [
        {
            "name": study.name,
            "question": study.question,
            "paper": study.paper,
            "primary": study.primary.name,
            "seeds": SEEDS,
            "runs": len(list(study.runs(SEEDS))),
            "core_hours": study.hours,
        }
        for study in STUDIES.values()
    ]
    return rows, []


def boards() -> Listing:
    """Every open board, with what its first rows take."""
    from blurbench.reproduce.boards.suites import OPEN_BOARDS

    rows = [
        {
            "name": board.name,
            "board": board.title,
            "scored_on": board.scored[0].title,
            "rows": len(board.rows),
            "minutes": sum(row.minutes for row in board.rows),
        }
        for board in OPEN_BOARDS.values()
    ]
    return rows, []
