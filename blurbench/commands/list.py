"""`blurbench list`: what there is, one row a recipe, model, metric, protocol or table."""

import io
import json
import shutil
from typing import Any

import click

Row = dict[str, Any]

NUMBERS = {"params", "GMACs", "values"}  # columns of text on the right


@click.command("list")
@click.argument("what", type=click.Choice(["recipes", "models", "metrics", "protocols", "tables"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_command(what: str, as_json: bool) -> int:
    """What there is, by name."""
    listed = rows(what)
    click.echo(json.dumps(listed, indent=2) if as_json else as_text(what, listed))
    return 0


def rows(what: str) -> list[Row]:
    """Rows of recipes, models, metrics, protocols or tables; the first column is the name."""
    return {
        "recipes": recipes,
        "models": models,
        "metrics": metrics,
        "protocols": protocols,
        "tables": tables,
    }[what]()


def as_text(what: str, listed: list[Row]) -> str:
    """The rows in columns as wide as the terminal, or 100 characters where there is none."""
    from rich.console import Console
    from rich.table import Table

    lines = [shown(what, row) for row in listed]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in lines[0]:
        words = [word for line in lines for word in line[name].split(" ")]
        longest = max(map(len, words), default=0)
        table.add_column(name, justify="right" if name in NUMBERS else "left", min_width=longest)
    for line in lines:
        table.add_row(*line.values())
    width = shutil.get_terminal_size((100, 24)).columns
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as written:
        console.print(table)
    return "\n".join(line.rstrip() for line in written.get().splitlines())


def shown(what: str, row: Row) -> dict[str, str]:
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
    return {key: str(value) for key, value in row.items()}


def grouped(names: list[str]) -> str:
    """`sp-1, 2; umsn-3` for sp-1, sp-2, umsn-3."""
    papers: dict[str, list[str]] = {}
    for name in names:
        paper, _, number = name.partition("-")
        papers.setdefault(paper, []).append(number)
    return "; ".join(f"{paper}-{', '.join(numbers)}" for paper, numbers in papers.items())


def recipes() -> list[Row]:
    """Every shipped recipe."""
    from blurbench.recipes.recipe import Recipe, load_any_recipe, recipe_names

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
    from blurbench.ranking.printed import tables_with

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
                "tables": list(tables_with(name)),
                "licence": kind.LICENCE,
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


def tables() -> list[Row]:
    """Every table of the papers."""
    from blurbench.ranking import printed

    return [
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
