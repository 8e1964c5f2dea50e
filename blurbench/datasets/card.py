"""The data card of a made set: README.md, a sheet of pairs, the histogram of severity."""

import html
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from blurbench.datasets.format import Description, Row, located, mend_of, read_picture, read_rows
from blurbench.drawing import LabelledPicture, grid, histogram, page
from blurbench.errors import UserError
from blurbench.images import BadImage, decode, encode
from blurbench.recipes.recipe import PROSE, recipe_names
from blurbench.sources.open import in_order
from blurbench.stores.store import Store

README = "README.md"
FOLDER = "card"
PAIRS, SEVERITY = f"{FOLDER}/pairs.png", f"{FOLDER}/severity.png"
SHOWN = 8  # pairs on the sheet
SIDE = 240  # px of a picture on the sheet, the square in its middle


def write_card(store: Store, description: Description) -> None:
    """Write the card of a data set whose pictures and rows are written."""
    shown, lengths = _survey(store, description)
    text = [*_head(description), *_prose(description.recipe), *_counts(description)]
    if lengths:
        label = "mean blur length of a pair, px"
        store.write(SEVERITY, encode(histogram(lengths, label)))
        text += _severity(lengths)
    if shown:
        store.write(PAIRS, encode(_pairs(store, description, shown)))
        text += ["## Pairs", "", "Blurred above sharp.", "", f"![pairs]({PAIRS})", ""]
    # Whole: nothing of ours is HTML, and recipes and sources come from anywhere.
    told = html.escape("\n".join([*text, *_recipe(description)]), quote=False)
    store.write(README, told.encode())


def _survey(store: Store, description: Description) -> tuple[list[tuple[str, Row]], list[float]]:
    """Some pairs spread over the set, the test split first, and the severity of every pair."""
    shown: list[tuple[str, Row]] = []
    lengths: list[float] = []
    splits = in_order(description.counts)[::-1]
    for place, split in enumerate(splits):
        room = SHOWN - len(shown)
        wanted = -(-room // (len(splits) - place))
        step = max(1, description.counts[split] // max(wanted, 1))
        # One row less at each step, or every picture would show the same of so many replicas.
        step -= step > 2
        for number, row in enumerate(read_rows(store, split)):
            if number % step == 0 and number // step < wanted:
                shown.append((split, row))
            if "severity_mean_px" in row:
                lengths.append(float(row["severity_mean_px"]))
    return shown, lengths


def _head(description: Description) -> Iterator[str]:
    recipe = description.recipe
    yield from (f"# {recipe['title']}", "")
    if description.root is None:
        source = description.source.get("name", "")
        yield f"Made by blurbench {description.blurbench} from the recipe `{recipe['name']}` and"
        yield f"the source `{source}`. The same recipe, seed and source images give the same"
        yield "pixels, hence the same digest:"
    else:
        yield f"An index, by blurbench {description.blurbench}, of pairs that lie elsewhere, by the"
        yield f"recipe `{recipe['name']}`. The same pixels give the same digest:"
    yield from ("", f"    digest {description.digest}", "")
    shipped = recipe["name"] in recipe_names()
    name = recipe["name"] if shipped else f"{recipe['name']}.toml"
    seed = f" --seed {description.seed}" if description.root is None else ""
    limit = f" --limit {description.limit}" if description.limit else ""
    format = f" --format {description.image_format}" if description.image_format != "png" else ""
    yield f"    blurbench synthesize {name} --source SOURCE --out OUT{seed}{limit}{format}"
    yield ""


def _prose(recipe: dict[str, Any]) -> Iterator[str]:
    titles = {
        "source": "Source",
        "licence": "Licence",
        "citation": "Citation",
        "provenance": "Where the numbers come from",
        "differs": "What differs from the paper's data",
    }
    for name, title in titles.items():
        if recipe.get(name):
            yield from (f"## {title}", "", recipe[name], "")


def _counts(description: Description) -> Iterator[str]:
    yield from ("## Counts", "", "| split | pairs |", "|---|---|")
    yield from (
        f"| {split} | {description.counts[split]} |" for split in in_order(description.counts)
    )
    yield ""
    hidden = ("name", "ids_sha256")
    found = "; ".join(f"{k}: {v}" for k, v in description.source.items() if k not in hidden)
    yield from (f"The source as it was found: {found}.", "")
    if description.failed:
        yield from (f"{description.failed} inputs could not be used: failures.jsonl says why.", "")


def _severity(lengths: list[float]) -> Iterator[str]:
    values = np.array(lengths)
    low, middle, high = np.percentile(values, [5, 50, 95])
    yield from ("## Severity", "")
    yield f"Mean blur length of a pair: {values.mean():.1f} px on average, median {middle:.1f} px,"
    yield f"nine pairs in ten from {low:.1f} to {high:.1f} px."
    yield from ("", f"![severity]({SEVERITY})", "")


def _recipe(description: Description) -> Iterator[str]:
    yield from ("## Recipe", "", "| field | value |", "|---|---|")
    for key, value in _flat(description.recipe):
        if key not in PROSE:
            yield f"| {key} | {value} |"
    libraries = ", ".join(f"{name} {version}" for name, version in description.made_with.items())
    yield from ("", f"Made with {libraries}.", "")


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all that is stated."""
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(number): part for number, part in enumerate(value)}
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None and value != []:
            yield f"{prefix}{key}", value


def _pairs(store: Store, description: Description, shown: list[tuple[str, Row]]) -> np.ndarray:
    cells = []
    for split, row in shown:
        pictures, folder = located(store, description.root, split)
        names = [pictures.inside(folder, row[f"{kind}_file_name"]) for kind in ("blur", "sharp")]
        both = [_small(pictures, name, mend_of(description.root)) for name in names]
        cells.append(LabelledPicture(np.concatenate(both), _caption(split, row)))
    return page(
        description.recipe["title"], "Blurred above sharp, the middle of each.", [grid(cells, 4)]
    )


def _small(store: Store, name: str, mend: str) -> np.ndarray:
    try:
        image = Image.fromarray(decode(read_picture(store, name), store.where(name)))
    except BadImage as error:  # damaged since it was made, at the size that it had
        raise UserError(f"{error}; {mend}") from None
    return np.array(ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS))


def _caption(split: str, row: Row) -> str:
    what = row.get("blur_type") or row.get("kernel_family", "")
    length = f", {row['severity_mean_px']:.1f} px" if "severity_mean_px" in row else ""
    frames = json.loads(row.get("parameters", "{}")).get("frames")
    averaged = f", {frames} frames" if frames else ""
    return f"{split}: {what}{length}{averaged}".replace("_", " ").removesuffix(": ")
