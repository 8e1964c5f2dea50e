"""Boards -> one HTML page that needs no network: its style and script are inside it."""

from collections.abc import Callable, Iterator
from typing import Any

from blurbench import __version__
from blurbench.metrics import PROTOCOLS, find_metric
from blurbench.ranking.boards import Board, Entry, best_means
from blurbench.ranking.merge_seeds import own_starts
from blurbench.ranking.page.charts import gain_bars, rank_bars, severity_chart
from blurbench.ranking.page.jinja import joined, templates
from blurbench.ranking.page.pictures import FOLDER
from blurbench.ranking.printed import Printed, printed, tables
from blurbench.ranking.results import Result
from blurbench.ranking.statistics import FEWEST, Estimate

STYLES = ("leaderboard.css", "charts.css")
SCRIPTS = ("address.js", "tables.js", "columns.js", "copy.js", "viewer.js")


def render_page(
    boards: list[Board], viewers: list[dict[str, Any]], duels: list[dict[str, Any] | None]
) -> str:
    """The page of some boards, each with its slider and its comparison, if any."""
    environment = templates()
    environment.filters.update(compact=compact, p_value=p_value, place_class=place_class)
    environment.filters.update(what_checked=what_checked)
    functions: list[Callable[..., Any]] = [
        best_places,
        costs,
        leaders,
        made,
        own_starts,
        printed_values,
        verdict,
        has_no_reference,
    ]
    functions += [gain_bars, rank_bars, severity_chart]
    environment.globals.update({function.__name__: function for function in functions})
    environment.globals.update(protocols=PROTOCOLS, tables=tables(), fewest=FEWEST, folder=FOLDER)
    (style, style_hash), (script, script_hash) = (
        joined(environment, names) for names in (STYLES, SCRIPTS)
    )
    measured = {name for board in boards for name in board.metrics}
    return environment.get_template("leaderboard.html").render(
        sections=list(zip(boards, viewers, duels, strict=True)),
        metrics={name: find_metric(name) for name in measured},
        style=style,
        script=script,
        style_hash=style_hash,
        script_hash=script_hash,
        version=__version__,
    )


def costs(result: Result) -> dict[str, float | None]:
    """Parameters, GMACs at 256x256 and median milliseconds a picture, where they are known."""
    made_by = result.summary.made_by
    return {
        "params": made_by.params,
        "gmacs_256": made_by.gmacs_256,
        "milliseconds": result.summary.milliseconds_median,
    }


def printed_values(metric: str, board: Board, entry: Entry) -> tuple[Printed, ...]:
    """What the papers print for this model on the test split of such data, whatever we measure."""
    made_by = entry.result.summary.made_by
    model, preset = made_by.model, made_by.preset
    if board.split != "test" or not model or not preset:
        return ()
    return printed(metric, recipe=board.recipe, model=model, preset=preset)


def compact(value: float | None) -> str:
    """Three digits and a unit prefix: 7841123 -> `7.84 M`."""
    if value is None:
        return "–"
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def leaders(board: Board) -> list[Entry]:
    """The entries that share the first rank on the board's first metric.

    None where fewer than two have a rank: a model alone is better than nobody.
    """
    first = board.metrics[0]
    ranked = [one.scores[first].rank for one in board.entries if first in one.scores]
    if sum(rank is not None for rank in ranked) < 2:
        return []
    return [one for one in board.entries if first in one.scores and one.scores[first].rank == 1]


def best_places(board: Board) -> dict[str, dict[str, int]]:
    """By metric, the places of the models' means from 0."""
    return {name: best_means(board, name) for name in board.metrics}


def what_checked(mark: str) -> str:
    """What a mark of `blurbench board verify` means; of several seeds that of each."""
    means = {
        "re-run": "restored again by its weights, or by a method without any, and scored again",
        "re-scored": "its restored pictures were scored again",
        "self-reported": "nobody has computed these numbers again",
    }
    return "; ".join(means.get(each, each) for each in mark.split(" and "))


def place_class(place: int) -> str:
    """The style of a mean: the best, the second, or none."""
    return {0: " best", 1: " second"}.get(place, "")


def p_value(value: float) -> str:
    """`0.034`, or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def has_no_reference(board: Board) -> bool:
    """Whether no number of the board compares with a sharp picture."""
    return not any(find_metric(metric).reference for metric in board.metrics)


def verdict(gain: Estimate, metric: str) -> str:
    """`better` or `worse` where chance does not explain the difference, else `even`."""
    if not gain.differs:
        return "even"
    return "better" if (gain.mean > 0) == find_metric(metric).higher_is_better else "worse"


def made(entry: Entry) -> list[tuple[str, str]]:
    """How a line came about: everything its summary.json says beyond the scores."""
    summary = entry.result.summary
    chosen = {
        "taken from": entry.result.origin or None,
        "not ranked, for": entry.result.unranked or None,
        "restored by": summary.restored_by,
        "data": {**summary.data.written(), "folder": summary.data_folder},
        "protocol": summary.protocol,
        "training": str(summary.trained_on or ""),
        "provenance": _one_step_count(summary.provenance),
        "sources that its training saw": summary.leaks.written() if summary.leaks else None,
        "seeds": {run.model: run.summary.provenance for run in entry.result.runs},
        "using": summary.using,
        "of other packages": summary.plugins,
        "figures": summary.figures,
        "deviation between draws": summary.spread,
        "peak memory, MB": summary.peak_memory_mb,
        "peak memory on the GPU, MB": summary.gpu_peak_memory_mb,
        "environment": summary.environment,
        "skipped": {each.id: each.why for each in summary.skipped},
    }
    return [(name, text) for name, text in _flat(chosen, "") if text]


def _one_step_count(provenance: dict[str, Any]) -> dict[str, Any]:
    """Without the steps of the preset, where those of the run are told: they are other ones."""
    config = provenance.get("config")
    if "steps" not in provenance or not isinstance(config, dict):
        return provenance
    return {**provenance, "config": {k: v for k, v in config.items() if k != "steps"}}


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Nested dictionaries as (`outer · inner`, text) pairs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name} · {key}" if name else str(key))
    else:
        yield name, "" if value is None else str(value)
