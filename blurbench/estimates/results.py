"""What is written of finished pairs: the bank, a recipe of it, a table of all patches, a sheet."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blurbench import drawing
from blurbench.blurs.kernel_files import digest, stack, write_kernels
from blurbench.estimates.patches import EstimatedPair, KnownKernel, PatchKernel
from blurbench.files import write_bytes, write_text
from blurbench.images import encode
from blurbench.preview.sheet import angle, preview
from blurbench.recipes.recipe import load_recipe
from blurbench_kernels import bank

BANK, RECIPE, TABLE, SHEET = "kernels.npy", "recipe.toml", "kernels.csv", "sheet.png"
COLUMNS = (
    *("pair", "row", "column", "height", "width", "state", "kernel"),
    *("length_px", "angle_deg", "right_px", "down_px"),
    *("residual_levels", "unexplained", "agreement", "ridge"),
)


class PatchOf(NamedTuple):
    """A patch, its pair, and the number of its kernel in the bank, if it is there."""

    pair: str
    patch: PatchKernel
    number: int | None


def numbered(pairs: Sequence[EstimatedPair]) -> Iterator[PatchOf]:
    """All patches in order; kernels that are kept are counted from 0."""
    number = 0
    for pair in pairs:
        for patch in pair.patches:
            kept = patch.state == "kept"
            yield PatchOf(pair.name, patch, number if kept else None)
            number += kept


def write_results(out: Path, pairs: Sequence[EstimatedPair], name: str, how: str) -> None:
    """Write the files into `out`; bank, recipe and sheet only where a kernel was kept.

    name: of what the pairs lie in; how: their kernels were found, in a line.
    """
    patches = list(numbered(pairs))
    write_text(out / TABLE, table(patches))
    known = [each.patch.kernel for each in patches if each.number is not None]
    kernels = [each.taps() for each in known if each]
    if not kernels:
        for name in (RECIPE, BANK, SHEET):  # of a run whose pictures were others
            (out / name).unlink(missing_ok=True)
        return
    stacked = stack(kernels)
    write_kernels(out / BANK, stacked)
    write_text(out / RECIPE, recipe(name, how, digest(list(stacked))))
    sheet = preview(load_recipe(out / RECIPE))
    write_bytes(out / SHEET, encode(drawing.below([sheet, _trust(patches)], gap=0)))


def table(patches: Sequence[PatchOf]) -> str:
    """CSV: a row a patch; cells of what is not known are empty."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for pair, patch, number in patches:
        place = (patch.row, patch.column, patch.height, patch.width)
        known = _measured(patch.kernel) if patch.kernel else [""] * 8
        rows.writerow([pair, *place, patch.state, "" if number is None else number, *known])
    return text.getvalue()


def _measured(kernel: KnownKernel) -> list[str]:
    taps = kernel.taps()
    turned = angle(taps)
    down, right = kernel.shift
    return [
        f"{bank.extent(taps):.2f}",
        "" if turned is None else f"{turned:.1f}",
        str(right),
        str(down),
        f"{kernel.residual:.3f}",
        f"{kernel.unexplained:.4f}",
        f"{kernel.agreement:.4f}",
        f"{kernel.ridge:g}",
    ]


def recipe(name: str, how: str, sha256: str) -> str:
    """A recipe that blurs by the bank, whose digest is `sha256`."""
    fields = {
        "name": "estimated",
        "title": f"Kernels of {name}",
        "source": "Any folder of sharp photographs.",
        "citation": "none",
        "licence": "The kernels: that of the pairs. The source images keep their own terms.",
        "provenance": how,
    }
    lines = [_field(*each) for each in fields.items()]
    blur = {"family": "bank", "file": BANK, "apply": "convolution", "sha256": sha256}
    lines += ["", "[blur]", *(_field(*each) for each in blur.items())]
    return "\n".join([*lines, "transpose = false", "", "[crop]", "borders = true", ""])


def _field(key: str, text: str) -> str:
    # TOML knows no halves of a surrogate pair, which JSON would escape.
    return f"{key} = {json.dumps(text, ensure_ascii=False)}"


def _trust(patches: Sequence[PatchOf]) -> np.ndarray:
    """Histograms of what the kernels leave unexplained, and of how far halves agree."""
    known = [each.patch.kernel for each in patches if each.patch.kernel]
    told = {
        "unexplained, part of the blurred patch's squared gradients": "unexplained",
        "agreement, cosine of the kernels of a patch's halves": "agreement",
    }
    plots = [
        drawing.histogram(
            [min(getattr(each, name), 1.0) for each in known],
            label,
            counted="patches with a kernel",
            span=(0, 1),
            size=(280, 593),
        )
        for label, name in told.items()
    ]
    row = drawing.beside(plots)
    return drawing.below([row[24:]], margin=drawing.MARGIN)[24:]
