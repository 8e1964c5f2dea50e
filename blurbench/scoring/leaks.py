"""Whether the training of a model saw the sharp sources of the pictures that it is scored on."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from blurbench.datasets.format import Row, source_hash
from blurbench.errors import UserError
from blurbench.runs.seen import read_seen
from blurbench.scoring.result_folder import Leaks, Measured


def find_leaks(rows: Iterable[Row], checkpoint: Path | None) -> Leaks | None:
    """Compare what some rows were made from with what the weights of a run have seen.

    By the bytes of the files, whatever their names, splits and folders are. None where nothing was
    trained, or no row tells its source.
    """
    sources = {row["id"]: found for row in rows if (found := source_hash(row))}
    if checkpoint is None or not sources:
        return None
    try:
        seen = read_seen(checkpoint)
    except UserError as error:
        return Leaks(unchecked=str(error))
    ways = {id: seen.sources[of] for id, of in sources.items() if of in seen.sources}
    counts = Counter(ways.values())
    return Leaks(
        train=counts["train"],
        init=counts["init"],
        val=counts["val"],
        first=next(iter(ways), ""),
        unchecked="what its first weights learnt from is unknown" if seen.init_unknown else "",
    )


def tell_leaks(summary: Measured) -> list[str]:
    """A line for what was found, and one where not all could be looked for."""
    leaks, name = summary.leaks, summary.model
    if leaks is None:
        return []
    lines = []
    if leaks.pictures:
        lines.append(f"warning: {name} {leaks} (first {leaks.first}); boards do not rank it")
    if leaks.unchecked:
        lines.append(f"{name} is unchecked for sources that it has seen: {leaks.unchecked}")
    return lines
