"""Result folders -> leaderboard.csv and leaderboard.html."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import open_regular, write_text
from blurbench.locks import locked
from blurbench.out_folder import refuse_overwriting
from blurbench.ranking.boards import Board, Entry, make_boards
from blurbench.ranking.page import pictures
from blurbench.ranking.page.duel import duel
from blurbench.ranking.page.render import costs, printed_values, render_page
from blurbench.scoring.result_folder import Leaks
from blurbench.tables import csv_text
from blurbench.words import counted

CSV, PAGE = "leaderboard.csv", "leaderboard.html"
MARK = b'<meta name="generator" content="blurbench'
COLUMNS = {"model", "protocol", "digest", "board"}


@dataclass(frozen=True)
class Leaderboard:
    """What a leaderboard came to."""

    csv: Path
    page: Path
    boards: list[Board]

    def __str__(self) -> str:
        """One line a board, then where the files are."""
        lines = []
        for board in self.boards:
            counts = f"{counted(len(board.entries), 'model')}, {counted(board.images, 'picture')}"
            lines.append(f"{board.recipe} {board.split} {board.protocol}: {counts}")
            lines += [
                f"  not ranked: {one.result.model} ({one.result.unranked})"
                for one in board.entries
                if one.result.unranked and not one.result.origin
            ]
        return "\n".join([*lines, str(self.csv), str(self.page)])


def leaderboard(
    results: Sequence[Path],
    out: Path,
    compare: tuple[str, str] | None = None,
    names: Mapping[Path, str] | None = None,
    checked: Mapping[Path, str] | None = None,
    shown: Sequence[Path] = (),
) -> Leaderboard:
    """Rank RESULT folders, those below folders, and CSV files.

    `compare` adds the duel of two models; `names` is what to call some RESULT folders; `checked`
    what is known of them, such as "re-run"; those in `shown` are not ranked, and come last.

    Raises UserError for what is no finished result, two results of one name on one board, and
    models to compare that share no board.
    """
    if compare and compare[0] == compare[1]:
        raise UserError(f"--compare {compare[0]} {compare[1]}: name two different models")
    boards = make_boards(results, names, checked, shown)
    refuse_overwriting([out / CSV, out / PAGE], is_board, results)
    # Another one here at the same time would remove the pictures of this one.
    with locked(out):
        return _write(boards, out, compare)


def is_board(path: Path) -> bool:
    """Whether blurbench wrote this leaderboard.csv or leaderboard.html, of whatever version."""
    with open_regular(path) as file:
        head = file.read(2**16)
    columns = head.partition(b"\n")[0].decode(errors="replace").strip().split(",")
    return MARK in head or set(columns) >= COLUMNS


def _write(boards: list[Board], out: Path, compare: tuple[str, str] | None) -> Leaderboard:
    duels = [duel(board, compare, out) for board in boards]
    if compare and not any(duels):
        raise UserError(f"no board has both {compare[0]!r} and {compare[1]!r}")
    viewers = [pictures.viewer(board, out) for board in boards]
    made = Leaderboard(out / CSV, out / PAGE, boards)
    write_text(made.csv, render_csv(boards))
    write_text(made.page, render_page(boards, viewers, duels))
    # After the page: until it is there, the one before names them.
    pictures.remove_unused(out, pictures.used(viewers, duels))
    return made


def render_csv(boards: list[Board]) -> str:
    """One line a model and board."""
    return csv_text([_csv_row(board, entry) for board in boards for entry in board.entries])


def _csv_row(board: Board, entry: Entry) -> dict[str, Any]:
    """What a reader looks for first: who, how good, at what cost; then the rest."""
    summary, made_by = entry.result.summary, entry.result.summary.made_by
    first = entry.scores.get(board.metrics[0])
    scores = {metric: _csv_score(metric, board, entry) for metric in board.metrics}
    means = {name: value for of in scores.values() for name, value in of[:3]}
    return {
        "recipe": board.recipe,
        "split": board.split,
        "protocol": board.protocol,
        "rank": first.rank if first else None,
        "model": entry.result.model,
        "preset": made_by.preset,
        "seeds": len(entry.result.runs) or None,
        "images": entry.result.images,
        "missing": entry.missing,
        **means,
        **costs(entry.result),
        **{name: value for of in scores.values() for name, value in of[3:]},
        "sharp_images": board.independent,
        "restored_by": summary.restored_by,
        "taken_from": entry.result.origin,
        # No column where nothing was looked for: as in boards of 0.1.0.
        **({"seen_in_training": seen_in_training(summary.leaks)} if summary.leaks else {}),
        **({"checked": entry.result.checked} if entry.result.checked else {}),
        "run_hash": made_by.run_hash,
        "digest": board.digest,
        "board": board.name,
    }


def seen_in_training(leaks: Leaks) -> int | None:
    """Pictures of sources that the training saw; None for none where that is not sure."""
    return leaks.pictures if leaks.pictures or not leaks.unchecked else None


def _csv_score(metric: str, board: Board, entry: Entry) -> list[tuple[str, Any]]:
    score, compared = entry.scores.get(metric), board.comparisons.get(metric)
    mean, gain = (score.estimate, score.gain) if score else (None, None)
    cells: list[tuple[str, Any]] = []  # mean and interval first
    for prefix, value in ((metric, mean), (f"{metric}_gain", gain)):
        cells += [
            (f"{prefix}_mean", value.mean if value else None),
            (f"{prefix}_low", value.low if value else None),
            (f"{prefix}_high", value.high if value else None),
        ]
    ranked = compared if score and score.rank else None
    printed = printed_values(metric, board, entry)
    return [
        *cells,
        (f"{metric}_rank", score.rank if score else None),
        (f"{metric}_seed_sd", score.seed_sd if score else None),
        (f"{metric}_mean_rank", ranked.mean_ranks.get(entry.result.model) if ranked else None),
        (f"{metric}_printed", "; ".join(f"{one.value} ({one.table})" for one in printed)),
    ]
