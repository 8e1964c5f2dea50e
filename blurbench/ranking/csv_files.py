"""CSV files from elsewhere as results: scores by picture, or another leaderboard.csv."""

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import read_regular
from blurbench.metrics import METRICS, PLUG_INS, PROTOCOLS, find_metric, known
from blurbench.ranking.results import BoardKey, Result, sort_scores
from blurbench.ranking.statistics import Estimate
from blurbench.schemas.csv_rows import CsvRow, csv_rows
from blurbench.scoring.result_folder import LARGEST, ResultSummary, ScoredData
from blurbench.tables import FORMULA
from blurbench.words import counted

SHORTEST_DIGEST = 8  # digits, as many as the name of a board has
BY_PICTURE = {"model", "id"}
BOARD = {"recipe", "split", "digest", "protocol"}
QUOTED = "means taken from elsewhere: no score of each picture"
NOT_STATED = "its digest and protocol are not stated"


def read_csv(path: Path, here: Sequence[Result]) -> list[Result]:
    """The models in a CSV; `here` are the results it joins.

    By picture: model, id and a column a metric, empty where it does not apply. Its board is the
    one of `here` that its columns digest (8 digits or more) and protocol name; without them it
    joins the only one there is, unranked. A leaderboard.csv brings its boards with it, and nothing
    of it is ranked.
    """
    rows = list(_read(path))
    columns = rows[0][1].keys()
    if columns >= BY_PICTURE:
        return _by_picture(path, rows, here)
    if {"model", "images"} | BOARD <= columns:
        return [_quoted(path, row, where) for where, row in rows]
    raise UserError(
        f"{path}: needs the columns model and id and one a metric, or those of leaderboard.csv"
    )


def _read(path: Path) -> Iterator[tuple[str, CsvRow]]:
    """Rows, each with how to call it in messages; UserError where this is no CSV."""
    try:
        _, lines = csv_rows(read_regular(path), str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    rows = [(f"{path}: line {number}", row) for number, row in lines]
    if not rows:
        raise UserError(f"{path}: holds no rows")
    for where, row in rows:
        if not row.get("model", "-").strip():
            raise UserError(f"{where}: names no model")
        # An apostrophe before a formula is what `blurbench leaderboard` writes.
        yield (
            where,
            {key: text[text[:1] == "'" and text[1:2] in FORMULA :] for key, text in row.items()},
        )


def _by_picture(path: Path, rows: list[tuple[str, CsvRow]], here: Sequence[Result]) -> list[Result]:
    metrics = [name for name in rows[0][1] if name not in BY_PICTURE | BOARD]
    for metric in metrics:
        try:
            find_metric(metric)
        except UserError as error:
            raise UserError(f"{path}: a column is no metric: {error}") from None
    if not metrics:
        raise UserError(f"{path}: has no column of a metric; such as psnr")
    models: dict[tuple[str, BoardKey], Result] = {}
    for where, row in rows:
        key, stated = _board_of(row, where, {result.key for result in here})
        result = models.setdefault(
            (row["model"], key),
            _empty(path, row["model"], key, metrics, "" if stated else NOT_STATED),
        )
        for metric in metrics:
            if row["id"] in result.scores[metric]:
                raise UserError(f"{where}: {row['id']!r} of {row['model']!r} is there twice")
            if row[metric].strip():
                result.scores[metric][row["id"]] = _number(row[metric], f"{where}: {metric}")
    for (_, key), result in models.items():
        _refuse_strangers(path, result, [other for other in here if other.key == key])
    return list(models.values())


def _board_of(row: CsvRow, where: str, keys: Collection[BoardKey]) -> tuple[BoardKey, bool]:
    """The board that a row belongs to, and whether it says so itself."""
    stated = {name: row[name] for name in sorted(BOARD) if row.get(name)}
    found = [key for key in keys if _fits(stated, key)]
    if len(found) == 1:
        return found[0], {"digest", "protocol"} <= stated.keys()
    told = ", ".join(f"{name} {value}" for name, value in stated.items()) or "which is not stated"
    problem = "several boards have" if found else "no RESULT here has"
    raise UserError(f"{where}: {problem} its data ({told}); give columns digest and protocol")


def _fits(stated: CsvRow, key: BoardKey) -> bool:
    start = stated.get("digest", key.digest)
    return (
        len(start) >= SHORTEST_DIGEST
        and key.digest.startswith(start)
        and stated.get("protocol", key.protocol) == key.protocol
        and stated.get("split", key.split) == key.split
        and stated.get("recipe", key.recipe) == key.recipe
    )


def _refuse_strangers(path: Path, result: Result, others: Sequence[Result]) -> None:
    """UserError where a picture is on no other line of the board: a misspelt id, or other data."""
    there = {name for other in others for of in other.scores.values() for name in of}
    for of_metric in result.scores.values():
        if strangers := sorted(of_metric.keys() - there):
            raise UserError(f"{path}: no RESULT here has a picture called {strangers[0]!r}")
    sort_scores(result.scores)
    if not result.scores:
        raise UserError(f"{path}: holds no score of {result.model!r}")


def _quoted(path: Path, row: CsvRow, where: str) -> Result:
    """One line of a leaderboard.csv."""
    known(PROTOCOLS, row["protocol"], "protocol")
    images = _number(row["images"], f"{where}: images")
    if images < 1 or not row["digest"]:
        raise UserError(f"{where}: needs a digest, and a number of images above 0")
    quoted = {
        metric: _estimate(row, metric, where)
        for metric in (*METRICS, *PLUG_INS.names())
        if row.get(f"{metric}_mean")
    }
    if not quoted:
        raise UserError(f"{where}: has no mean of a metric that is known here")
    key = BoardKey(row["recipe"], row["split"], row["digest"], row["protocol"])
    seen = _number(row.get("seen_in_training") or "0", f"{where}: seen_in_training")
    saw = f"; its training saw the sources of {counted(int(seen), 'picture')}" if seen else ""
    result = _empty(path, row["model"], key, (), QUOTED + saw, int(images))
    result.quoted.update(quoted)
    return result


def _estimate(row: CsvRow, metric: str, where: str) -> Estimate:
    """A mean and its interval, which may be empty."""
    ends = [row.get(f"{metric}_{end}") for end in ("low", "high")]
    low, high = (_number(end, f"{where}: {metric}") if end else None for end in ends)
    mean = _number(row[f"{metric}_mean"], f"{where}: {metric}")
    if (low is not None and low > mean) or (high is not None and high < mean):
        raise UserError(f"{where}: {metric}_mean lies outside of its interval")
    return Estimate(mean, low, high)


def _empty(
    path: Path,
    model: str,
    key: BoardKey,
    metrics: Sequence[str],
    unranked: str,
    images: int | None = None,
) -> Result:
    """A result without its scores yet."""
    summary = ResultSummary(
        model=model,
        restored_by="unknown",
        data=ScoredData(recipe=key.recipe, split=key.split, digest=key.digest, images=images),
        protocol=key.protocol,
        metrics=list(metrics),
        provenance={"taken from": path.name},
    )
    scores: dict[str, dict[str, float]] = {metric: {} for metric in metrics}
    return Result(path.parent, summary, scores, origin=path.name, unranked=unranked)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and abs(value) < LARGEST):
        raise UserError(f"{where}: {text!r} is not a finite number")
    return value
