"""The printed tables: every number of the papers' texts, in order, under names that exist."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blurbench.errors import UserError
from blurbench.files import shipped
from blurbench.models import MODELS, model_class
from blurbench.ranking.printed import Printed, printed, table, tables, tables_with
from blurbench.recipes.recipe import recipe_names

NAMES = [
    *(f"s3e-{number}" for number in (1, 2, 3)),
    *(f"sp-{number}" for number in (1, 2, 3, 4)),
    *(f"umsn-{number}" for number in (1, 2, 3, 4, 5, 6, 7, "text")),
    *(f"brmr-{number}" for number in (2, 3, "text")),
]
CAPTIONERS = {"nic", "toronto", "topdown", "vp-tree"}
PLANNED = {"s3e", "sp", "brmr", "bn", "shen-face", "udeconv"}
CLASSES = ("background", "skin", "parts", "hair")
METRICS = {
    *("psnr", "psnr-gain", "ssim", "lpips", "vgg-face", "seconds", "iterations"),
    *("bleu-1", "bleu-2", "bleu-3", "bleu-4", "cider", "meteor", "rouge-l", "spice"),
    *("top-1", "top-3", "top-5", "region-iou"),
    *(f"{of}-{part}" for of in ("psnr", "ssim", "f-score", "confidence") for part in CLASSES),
}
CELLS = [cell for each in tables().values() for cell in each.cells]

TEXTS = {
    "s3e": "s3e_deblur.txt",
    "sp": "semantic_prior.txt",
    "umsn": "umsn.txt",
    "brmr": "adversarial_brmr.txt",
}
LABELS = {"sp-1": 2, "s3e-3": 2}  # leading cells of a line that are no values; 1 elsewhere
NUMBER = re.compile(r"(?<![\w.])\+?\d*\.\d+|\d+(?=%)|^[-–—]$")
# Figures outside of tables: value -> words that stand before it in the same sentence.
SENTENCES = {
    "30.21": "PubFig",
    "0.84": "PubFig",
    "30.51": "PubFig",
    "0.86": "PubFig",
    "0.676": "mean IoU",
    "2.3": "average of",
}


def test_all_sixteen_tables_and_two_texts_are_there() -> None:
    assert list(tables()) == NAMES
    files = {path.stem for path in shipped("leaderboard/papers").glob("*.csv")}
    assert files == {*NAMES, "tables"}


def printed_values(text: str, name: str) -> list[str]:
    """The values of a table in a paper's text, in reading order; UMSN's captions stand below."""
    paper, number = name.split("-")
    below = paper == "umsn"
    roman = ["I", "II", "III", "IV", "V", "VI", "VII"][int(number) - 1]
    captions = (f"TABLE {roman}:",) if below else (f"Table {number}: ", f"Table {number}. ")
    blocks = re.split(r"\n\s*\n", text)
    (at,) = [index for index, block in enumerate(blocks) if block.startswith(captions)]
    lines = blocks[at - 1 if below else at + 1].split("\n")
    cells = [cell for line in lines for cell in line.split("\t")[LABELS.get(name, 1) :]]
    return [value for cell in cells for value in NUMBER.findall(cell)]


def normal(value: str) -> str:
    return "-" if value in "-–—" else re.sub(r"^(\+?)\.", r"\g<1>0.", value)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("text")])
def test_values_are_those_of_the_text_in_its_order(name: str, shared: Path) -> None:
    text = (shared / "papers" / TEXTS[name.split("-")[0]]).read_text(encoding="utf-8")
    expected = [normal(value) for value in printed_values(text, name)]
    assert len(expected) > 3
    assert [normal(cell.value) for cell in table(name).cells] == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("text")])
def test_figures_outside_tables_stand_in_their_sentences(name: str, shared: Path) -> None:
    text = (shared / "papers" / TEXTS[name.split("-")[0]]).read_text(encoding="utf-8")
    for cell in table(name).cells:
        words = re.escape(SENTENCES[cell.value])
        assert re.search(rf"{words}[^\n]*?(?<![\d.]){re.escape(cell.value)}(?!\d)", text), cell


# A cell of each table and half of each, read off the papers' pages by eye.
BY_EYE = [
    ("s3e-1", "DeblurGAN", "LessSev-BlurData", "", "psnr", "22.36"),
    ("s3e-1", "U-Deconv", "Sev-BlurData", "", "ssim", "0.675"),
    ("s3e-2", "S3E-Deblur (ImD) w/o coTrain", "Severely blurred GoPro", "", "psnr", "22.12"),
    ("s3e-2", "S3E-Deblur (ImD) w coTrain", "Severely blurred GoPro", "", "ssim", "0.744"),
    ("s3e-3", "VP-tree", "MSCOCO, sharp", "", "spice", "-"),
    ("s3e-3", "TopDown", "Sev-BlurData", "", "cider", "0.753"),
    ("sp-1", "Niu et al.", "GoPro", "", "ssim", "0.945"),
    ("sp-1", "MPRNet (simple)+SP", "GoPro", "", "lpips", "0.122"),
    ("sp-2", "DeblurGAN-v2", "RealBlur-J", "", "ssim", "0.870"),
    ("sp-2", "UNet+SP", "HIDE", "", "psnr", "28.51"),
    ("sp-3", "HINet+HIN", "REDS", "", "psnr-gain", "+0.12"),
    ("sp-3", "Ours-MSSNet+SP", "GoPro", "", "psnr", "33.22"),
    ("sp-4", "Net0*", "GoPro", "", "lpips", "-"),
    ("sp-4", "Net4", "GoPro", "", "psnr", "30.9648"),
    ("umsn-1", "Ziyi et al.", "CelebA", "", "ssim-skin", "0.93"),
    ("umsn-1", "UMSN", "Helen", "", "psnr-parts", "35.67"),
    ("umsn-2", "SN trained on sharp images", "Helen", "blur", "f-score-parts", "0.775"),
    ("umsn-2", "SN fine-tuned on blurred images", "Helen", "blur", "f-score-hair", "0.566"),
    ("umsn-3", "Ziyi et al. w/GAN", "CelebA", "", "psnr", "24.34"),
    ("umsn-3", "Pan et al.", "Helen", "", "ssim", "0.727"),
    ("umsn-4", "Nah et al.", "CelebA", "", "vgg-face", "8.92"),
    ("umsn-4", "UMSN", "Helen", "", "vgg-face", "5.23"),
    ("umsn-5", "Blurred images", "CelebA", "", "top-1", "31"),
    ("umsn-5", "UMSN", "CelebA", "", "top-5", "80"),
    ("umsn-6", "BN + semantic maps", "CelebA", "", "psnr", "24.72"),
    ("umsn-6", "UMSN without confidence loss", "Helen", "", "ssim", "0.87"),
    ("umsn-7", "UMSN", "Fig. 14", "image 1, 100000 steps", "confidence-parts", "0.989"),
    ("umsn-7", "UMSN", "Fig. 14", "image 2, 3000 steps", "confidence-hair", "0.611"),
    ("brmr-2", "iGAN", "Concert", "", "psnr", "30.77"),
    ("brmr-2", "multi-scale CNN", "Concert", "", "psnr", "29.90"),
    ("brmr-3", "adversarial BRMR", "GoPro", "", "seconds", "2.16"),
    ("brmr-3", "DeblurGAN", "GoPro", "", "psnr", "27.94"),
]


@pytest.mark.parametrize("expected", BY_EYE, ids=lambda case: f"{case[0]}-{case[1]}")
def test_values_stand_under_their_own_names(expected: tuple[str, ...]) -> None:
    rows = [
        (c.table, c.method, c.data, c.subset, c.metric, c.value) for c in table(expected[0]).cells
    ]
    assert rows.count(expected) == 1


def test_cells_have_keys_of_their_own_and_values_that_are_numbers() -> None:
    keys = [(c.table, c.method, c.data, c.subset, c.metric) for c in CELLS]
    assert len(keys) == len(set(keys))
    assert all(re.fullmatch(r"\+?\d+(\.\d+)?|-", cell.value) for cell in CELLS)
    assert {cell.number for cell in CELLS if cell.value == "-"} == {None}
    assert all(None not in (c.method, c.note) and c.method == c.method.strip() != "" for c in CELLS)


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_no_more_and_no_fewer_cells_than_the_header(name: str) -> None:
    with (shipped("leaderboard/papers") / f"{name}.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(header)}


def test_metrics_units_and_recipes_are_known() -> None:
    assert {cell.metric for cell in CELLS} == METRICS
    assert {cell.recipe for cell in CELLS} - {""} <= set(recipe_names())
    for cell in CELLS:
        starts = {"psnr": "dB", "seco": "s", "top-": "%"}
        assert cell.unit == starts.get(cell.metric[:4], ""), cell


def test_models_and_presets_exist() -> None:
    named = {(cell.model, cell.preset) for cell in CELLS if cell.model}
    assert {model for model, _ in named} <= {*MODELS, *PLANNED, *CAPTIONERS}
    for model, preset in named:
        assert not preset or model not in MODELS or preset in model_class(model).PRESETS
    assert all(not cell.preset for cell in CELLS if not cell.model)


def test_what_is_printed_of_a_model_on_a_data_set() -> None:
    (only,) = printed("psnr", recipe="sev-blurdata", model="deblurgan")
    assert (only.table, only.value, only.number) == ("s3e-1", "21.14", 21.14)
    both = printed("psnr", recipe="umsn-faces-test", model="umsn")
    assert {(c.table, c.data, c.value) for c in both} == {
        (name, data, value)
        for name in ("umsn-3", "umsn-6")
        for data, value in (("Helen", "26.93"), ("CelebA", "25.90"))
    }
    assert not printed("psnr", recipe="demo", model="umsn")
    assert not printed("psnr", recipe="umsn-faces-test", model="umsn", preset="code")
    sharp, blur = (
        printed("f-score-hair", recipe="umsn-faces-test", model="umsn", preset=preset, subset=name)
        for preset, name in (("", "sharp"), ("paper", "blur"))
    )
    assert [cell.value for cell in (*sharp, *blur)] == ["0.625", "0.566"]


def test_percent_is_a_fraction_as_our_metrics_give_it() -> None:
    (top,) = printed("top-5", recipe="umsn-recognition", model="umsn")
    assert (top.value, top.unit, top.number) == ("80", "%", 0.8)


def test_a_dash_is_no_printed_number() -> None:
    dashes = [cell for cell in CELLS if cell.number is None]
    assert len(dashes) == 9
    assert not set(dashes) & {
        found
        for cell in CELLS
        for found in printed(
            cell.metric,
            recipe=cell.recipe,
            model=cell.model,
            preset=cell.preset,
            subset=cell.subset,
        )
    }


def test_tables_of_a_model() -> None:
    assert tables_with("deblurgan") == ("s3e-1", "s3e-2", "brmr-2", "brmr-3")
    assert tables_with("mssnet") == ("sp-1", "sp-3")
    assert tables_with("nafnet") == ()


def test_unknown_table() -> None:
    with pytest.raises(UserError, match=r"'sp-9'.*; there are .*sp-4.*brmr-text"):
        table("sp-9")


def test_cells_are_in_the_order_of_the_file() -> None:
    first: Printed = table("sp-4").cells[0]
    assert (first.method, first.metric, first.value) == ("Net0", "psnr", "30.2886")
    assert table("sp-4").metrics == ("psnr", "lpips")


def test_the_reader_is_light() -> None:
    code = (
        "import sys, blurbench.ranking.printed as p; p.tables();"
        "print({'torch', 'numpy', 'pandas', 'cv2', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
