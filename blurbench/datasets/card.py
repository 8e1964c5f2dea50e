"""The data card of a made set: README.md, a sheet of pairs, the histogram of severity."""

import html
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from blurbench.blurs.registry import parts_of
from blurbench.datasets.format import (
    PICTURES,
    Description,
    Row,
    located,
    mend_of,
    read_picture,
    read_rows,
)
from blurbench.datasets.mean_kernel import mean_kernel
from blurbench.datasets.pair import WHOLE
from blurbench.drawing import PAPER, LabelledPicture, enlarged, grid, histogram, page
from blurbench.errors import UserError
from blurbench.images import BadImage, decode, decode_labels, encode
from blurbench.recipes.recipe import PROSE, parse_recipe, recipe_names
from blurbench.sources.open import SPLITS, in_order
from blurbench.stores.store import Store

README = "README.md"
FOLDER = "card"
PAIRS, SEVERITY = f"{FOLDER}/pairs.png", f"{FOLDER}/severity.png"
# What a source's description holds, in words; "" is not told. What is not here is a sentence.
FOUND = {
    "name": "",
    "ids_sha256": "",
    "labels_sha256": "",
    "source_note": "",
    "licence_note": "",
    "kind": "kind: {}",
    "layout": "laid out as: {}",
    "links_skipped": "links that were left out: {}",
    "images": "pictures: {}",
    "no split stated": "pictures that state no split: {}",
    **{split: f"pictures for {split}: {{}}" for split in SPLITS},
    **{f"found_{split}": f"blurred pictures for {split}: {{}}" for split in SPLITS},
    "unexpected": "not as expected: {}",
    "caption_files": "caption files: {}",
    "captioned": "pictures with captions: {}",
    "objects": "objects: {}",
    "identities": "identities: {}",
    "clips": "clips: {}",
}
SHOWN = 8  # pairs on the sheet
# Of mask labels, as background, skin, parts, hair.
INKS = np.array([(28, 28, 28), (232, 190, 160), (200, 60, 70), (92, 62, 40)], np.uint8)
SIDE = 240  # px of a picture on the sheet, the square in its middle
CORNER = 72  # px, of a kernel on its blurred picture


def write_card(store: Store, description: Description) -> None:
    """Write the card of a data set whose pictures and rows are written."""
    shown, lengths, ghosts = _survey(store, description)
    text = [*_head(description), *_prose(description), *_counts(description)]
    if lengths:
        label = "mean blur length of a pair, px"
        store.write(SEVERITY, encode(histogram(lengths, label)))
        text += _severity(lengths)
    if ghosts:
        text += _ghosts(ghosts)
    if shown:
        kernels = _kernels(description, shown)
        store.write(PAIRS, encode(_pairs(store, description, shown, kernels)))
        text += ["## Pairs", "", _rows_of(shown, kernels), "", f"![pairs]({PAIRS})", ""]
    # Whole: nothing of ours is HTML, and recipes and sources come from anywhere.
    told = html.escape("\n".join([*text, *_recipe(description)]), quote=False)
    store.write(README, told.encode())


def _survey(
    store: Store, description: Description
) -> tuple[list[tuple[str, Row]], list[float], list[dict[str, float]]]:
    """Some pairs spread over the set, the test split first; of every pair severity and ghosts."""
    shown: list[tuple[str, Row]] = []
    lengths: list[float] = []
    ghosts: list[dict[str, float]] = []
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
            if '"ghosting"' in row.get("parameters", ""):
                ghosts.append(json.loads(row["parameters"]))
    return shown, lengths, ghosts


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


def _prose(description: Description) -> Iterator[str]:
    """Whose pictures these are, as their user says; then the recipe, which does not know."""
    recipe, source = description.recipe, description.source
    indexed = description.root is not None  # of a known data set, whose recipe this is
    found = source["kind"] if source.get("name", "").startswith("builtin:") else "a user's own"
    unsaid = {
        "source": f"`{source.get('name', '')}`, {found}; nothing more was said (`--source-note`).",
        "licence": "Nothing was said of the pictures' terms (`--licence-note`).",
    }
    titles = {
        "source": "What the recipe was written for",
        "licence": "Licence of that",
        "citation": "Citation",
        "provenance": "Where the numbers come from",
        "differs": "What differs from the paper's data",
    }
    for name, title in {"source": "Source", "licence": "Licence"}.items():
        text = source.get(f"{name}_note") or (recipe.get(name) if indexed else unsaid[name])
        yield from (f"## {title}", "", text or "", "")
    for name, title in titles.items():
        if recipe.get(name) and not (indexed and name in unsaid):
            yield from (f"## {title}", "", recipe[name], "")


def _counts(description: Description) -> Iterator[str]:
    yield from ("## Counts", "", "| split | pairs |", "|---|---|")
    yield from (
        f"| {split} | {description.counts[split]} |" for split in in_order(description.counts)
    )
    yield from ("", "The source as it was found:", "")
    for key, value in description.source.items():
        if value and (words := FOUND.get(key, "{}")):
            yield f"- {words.format(value)}"
    yield ""
    if description.failed:
        yield from (f"{description.failed} inputs could not be used: failures.jsonl says why.", "")


def _severity(lengths: list[float]) -> Iterator[str]:
    values = np.array(lengths)
    low, middle, high = np.percentile(values, [5, 50, 95])
    yield from ("## Severity", "")
    yield f"Mean blur length of a pair: {values.mean():.1f} px on average, median {middle:.1f} px,"
    yield f"nine pairs in ten from {low:.1f} to {high:.1f} px."
    yield from ("", f"![severity]({SEVERITY})", "")


def _ghosts(pairs: list[dict[str, float]]) -> Iterator[str]:
    """Of averaged frames: what moves farther than a pixel between two is seen several times."""
    shares = np.array([pair["ghosting"] for pair in pairs])
    steps = np.array([pair["step_px"] for pair in pairs])
    yield from ("## Ghosts", "")
    yield f"From one averaged frame to the next {100 * shares.mean():.1f} % of the pixels move"
    yield f"farther than 1 px, {100 * shares.max():.1f} % in the worst pair: these are seen several"
    yield f"times. 99 % move less than {np.median(steps):.1f} px in the median pair,"
    yield f"{steps.max():.1f} px in the worst."
    yield ""


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


def _kernels(description: Description, shown: list[tuple[str, Row]]) -> dict[str, np.ndarray]:
    """By id, the kernels of the pairs shown: of families that have one a picture."""
    if description.root is not None:
        return {}
    try:
        recipe = parse_recipe(dict(description.recipe), description.recipe["name"])
        if any(part.KERNELS != "one" for part in parts_of(recipe.blur)):
            return {}
        return {row["id"]: mean_kernel(recipe, row) for _, row in shown}
    except UserError:  # such as of a blurred part, or of pairs by another version
        return {}


def _rows_of(shown: list[tuple[str, Row]], kernels: dict[str, np.ndarray], how: str = "") -> str:
    masked = any("mask_file_name" in row for _, row in shown)
    rows = f"Blurred above sharp{' above mask' * masked}{how}"
    return f"{rows}; in the corner the kernel, enlarged." if kernels else f"{rows}."


def _pairs(
    store: Store,
    description: Description,
    shown: list[tuple[str, Row]],
    kernels: dict[str, np.ndarray],
) -> np.ndarray:
    cells = []
    mend = mend_of(description.root)
    for split, row in shown:
        pictures, folder = located(store, description.root, split)
        kinds = [kind for kind in PICTURES if f"{kind}_file_name" in row]
        names = {kind: pictures.inside(folder, row[f"{kind}_file_name"]) for kind in kinds}
        column = [_small(pictures, kind, name, mend) for kind, name in names.items()]
        if row["id"] in kernels:
            column[0][-CORNER - 1 :, -CORNER - 1 :] = PAPER
            column[0][-CORNER:, -CORNER:] = enlarged(kernels[row["id"]], CORNER)[..., None]
        cells.append(LabelledPicture(np.concatenate(column), _caption(split, row)))
    note = _rows_of(shown, kernels, ", the middle of each")
    return page(description.recipe["title"], note, [grid(cells, 4)])


def _small(store: Store, kind: str, name: str, mend: str) -> np.ndarray:
    where, how = store.where(name), Image.Resampling.LANCZOS
    try:
        data = read_picture(store, name)
        if kind == "mask":
            # Labels 0 to 3 would all be black.
            image, how = INKS[decode_labels(data, where) % len(INKS)], Image.Resampling.NEAREST
        else:
            image = decode(data, where)
    except BadImage as error:  # damaged since it was made, at the size that it had
        raise UserError(f"{error}; {mend}") from None
    return np.array(ImageOps.fit(Image.fromarray(image), (SIDE, SIDE), how))


def _caption(split: str, row: Row) -> str:
    what = row.get("blur_type") or row.get("kernel_family", "")
    what += f", {row['moved']} moved" if row.get("moved", WHOLE) != WHOLE else ""
    length = f", {row['severity_mean_px']:.1f} px" if "severity_mean_px" in row else ""
    frames = json.loads(row.get("parameters", "{}")).get("frames")
    averaged = f", {frames} frames" if frames else ""
    return f"{split}: {what}{length}{averaged}".replace("_", " ").removesuffix(": ")
