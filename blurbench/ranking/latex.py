"""Boards -> LaTeX tables for a paper: booktabs, the best bold, the second underlined."""

import re
from collections.abc import Sequence

from blurbench.errors import UserError
from blurbench.metrics import find_metric
from blurbench.ranking.boards import Board, Entry, best_means
from blurbench.ranking.page.render import compact, costs
from blurbench.ranking.statistics import FEWEST
from blurbench.words import counted, meant

# Columns beside metrics: title, and the unit in which `costs` gives it.
COSTS = {"params": "Parameters", "gmacs_256": "GMACs", "milliseconds": "ms"}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    # After the end of a row they would be its options.
    "[": "{[}",
    "*": "{*}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex(boards: Sequence[Board], columns: Sequence[str] = (), intervals: bool = False) -> str:
    r"""A table a board, to be \input; needs \usepackage{booktabs}.

    columns: metrics, and names in COSTS; none: all metrics of a board. intervals: 95 %, below each
    mean. UserError for a column that no board has.
    """
    known = {metric for board in boards for metric in board.metrics}
    if unknown := [name for name in columns if name not in known | COSTS.keys()]:
        there = [*sorted(known), *COSTS]
        raise UserError(
            f"--columns {unknown[0]}: no such column{meant(unknown[0], there)}; there are"
            f" {', '.join(there)}"
        )
    return "\n".join(_table(board, columns or board.metrics, intervals) for board in boards)


def escaped(text: str) -> str:
    """Any text as LaTeX shows it."""
    return re.sub(".", lambda letter: SPECIAL.get(letter[0], letter[0]), " ".join(text.split()))


def _table(board: Board, columns: Sequence[str], intervals: bool) -> str:
    shown = [name for name in columns if name in COSTS or name in board.metrics]
    places = {name: {} if name in COSTS else best_means(board, name) for name in shown}
    heading = " & ".join(["Method", *map(_title, shown)])
    body = []
    for entry in board.entries:
        cells = [_cell(entry, name, places[name].get(entry.result.model)) for name in shown]
        body.append(" & ".join([escaped(entry.result.model), *cells]) + r" \\")
        below = [_interval(entry, name) for name in shown] if intervals else []
        if any(below):
            body.append(" & ".join(["", *below]) + r" \\")
    lines = [
        *(f"% {line}" for line in _told(board, intervals)),
        rf"\begin{{tabular}}{{l{'r' * len(shown)}}}",
        r"\toprule",
        heading + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _told(board: Board, intervals: bool) -> list[str]:
    """What a caption must say."""
    told = f"{board.recipe}, split {board.split}: {counted(board.images, 'picture')}"
    return [
        f"{' '.join(told.split())}; protocol {board.protocol}",
        f"digest {board.digest}",
        *([_intervals_told(board)] if intervals else []),
        *(
            f"not ranked: {' '.join(f'{one.result.model}: {one.result.unranked}'.split())}"
            for one in board.entries
            if one.result.unranked
        ),
    ]


def _intervals_told(board: Board) -> str:
    if board.independent < FEWEST:
        return f"no intervals: they need {FEWEST} sharp pictures"
    return "below each mean: 95 % bootstrap interval over sharp pictures"


def _title(name: str) -> str:
    if name in COSTS:
        return COSTS[name]
    metric = find_metric(name)
    arrow = r"$\uparrow$" if metric.higher_is_better else r"$\downarrow$"
    unit = f" ({escaped(metric.unit)})" if metric.unit else ""
    return f"{escaped(metric.title)}{unit} {arrow}"


def _cell(entry: Entry, name: str, place: int | None) -> str:
    if name in COSTS:
        return escaped(compact(costs(entry.result)[name]))
    if name not in entry.scores:
        return "--"
    text = f"{entry.scores[name].estimate.mean:.{find_metric(name).digits}f}".replace("-", "$-$")
    if place == 0:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if place == 1 else text


def _interval(entry: Entry, name: str) -> str:
    score = entry.scores.get(name)
    if score is None or score.estimate.low is None:
        return ""
    digits, ends = find_metric(name).digits, (score.estimate.low, score.estimate.high)
    low, high = (f"{end:.{digits}f}".replace("-", "$-$") for end in ends)
    return rf"{{\scriptsize [{low}, {high}]}}"
