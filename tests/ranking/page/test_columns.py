"""Ranks, columns and copies of a board's table, in a real browser."""

import csv

import pytest
from browser import one

from blurbench.ranking.report import leaderboard

# A browser starts for them, once for all pages.
pytestmark = pytest.mark.slow

# In PSNR a leads, in SSIM b_1 does, and in LPIPS, where less is better, "=c%".
MEANS = {
    "identity": (20, 0.5, 0.9),
    "a": (26, 0.6, 0.5),
    "b_1": (24, 0.8, 0.4),
    "=c%": (22, 0.7, 0.2),
}


@pytest.fixture
def page(driver, make_result, tmp_path):
    """The page of four models by three metrics, loaded."""
    folders = []
    for model, means in MEANS.items():
        rows = {
            f"id{number}": {
                "metrics": {
                    name: mean + 0.001 * number
                    for name, mean in zip(("psnr", "ssim", "lpips"), means, strict=True)
                }
            }
            for number in range(8)
        }
        kind = "identity" if model == "identity" else "model"
        folder = tmp_path / f"r{len(folders)}"
        make_result(
            folder,
            model,
            dict.fromkeys(rows, 0.0),
            rows=rows,
            metrics=["psnr", "ssim", "lpips"],
            restored_by=kind,
            **{} if kind == "identity" else {"trained_on": {"steps": 1200, "sharp_pictures": 600}},
            provenance={} if kind == "identity" else {"steps": 1200, "config": {"steps": 77}},
        )
        folders.append(folder)
    driver.get("about:blank")
    driver.get(leaderboard(folders, tmp_path / "out").page.as_uri())
    return driver


def rows(page):
    found = page.find_elements("css selector", "table.ranking tbody tr")
    return {
        row.get_attribute("data-model"): row.find_element("css selector", ".rank").text
        for row in found
    }


def headings(page):
    found = page.find_elements("css selector", "table.ranking thead th[data-key]")
    return [each.get_attribute("data-key") for each in found if each.is_displayed()]


def choose(page, metric):
    from selenium.webdriver.support.ui import Select

    Select(one(page, ".rank-by")).select_by_value(metric)


def reload(page):
    address = page.current_url
    page.get("about:blank")
    page.get(address)


def copied(page, kind):
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    one(page, f".copy[data-as={kind}]").click()
    return page.execute_script("return window.copied")


def test_any_metric_ranks_and_the_address_keeps_it(page):
    assert rows(page) == {"identity": "4", "a": "1", "b_1": "2", "=c%": "3"}
    choose(page, "lpips")
    expected = {"=c%": "1", "b_1": "2", "a": "3", "identity": "4"}
    assert list(rows(page).items()) == list(expected.items())
    reload(page)
    assert list(rows(page).items()) == list(expected.items())
    assert "by LPIPS" in one(page, "th.rank button").get_attribute("title")
    choose(page, "psnr")
    assert "by-1" not in page.current_url


def test_columns_are_chosen_and_the_address_keeps_them(page):
    usual = ["rank", "model", "psnr", "psnr-gain", "ssim", "lpips", "params", "gmacs", "ms"]
    assert headings(page) == usual  # three metrics with all their gains would be too wide
    one(page, ".columns summary").click()
    labels = {each.text: each for each in page.find_elements("css selector", ".choices label")}
    labels["Params"].click()
    labels["SSIM vs blurred"].click()
    labels["PSNR vs blurred"].click()
    wanted = ["rank", "model", "psnr", "ssim", "ssim-gain", "lpips", "gmacs", "ms"]
    assert headings(page) == wanted
    assert not one(page, "td.plot").is_displayed()
    reload(page)
    assert headings(page) == wanted
    one(page, ".columns summary").click()
    for each in page.find_elements("css selector", ".choices label"):
        tick = each.find_element("css selector", "input")
        if each.text in ("Params", "SSIM vs blurred", "PSNR vs blurred"):
            tick.click()
    assert headings(page) == usual
    assert "hide-1" not in page.current_url


def test_the_best_of_a_column_is_bold_and_the_second_underlined(page):
    wanted = {"best": ["=c%", "a", "b_1"], "second": ["=c%", "b_1", "b_1"]}
    for kind, models in wanted.items():
        cells = page.find_elements("css selector", f"td.{kind}")
        found = [each.find_element("xpath", "..").get_attribute("data-model") for each in cells]
        assert sorted(found) == models
    weight = "return getComputedStyle(arguments[0]).fontWeight"
    mean, bold = (one(page, f"{row} .mean") for row in ("tr.baseline td", "td.best"))
    assert int(page.execute_script(weight, bold)) > int(page.execute_script(weight, mean))


def test_what_is_shown_is_copied_as_csv(page):
    choose(page, "ssim")
    lines = list(csv.DictReader(copied(page, "csv").splitlines()))
    assert [line["Model"] for line in lines] == ["b_1", "'=c%", "a", "identity"]
    assert float(lines[0]["SSIM ↑"]) == pytest.approx(0.8035)
    assert "SSIM vs blurred" not in lines[0]
    assert float(lines[0]["PSNR vs blurred"]) == 4
    assert one(page, ".copied").text == "copied"


def test_what_is_shown_is_copied_as_latex(page):
    table = copied(page, "latex")
    assert table.startswith(
        "\\begin{tabular}{rlrrrrrrr}\n\\toprule\nRank & Model & PSNR dB $\\uparrow$ &"
    )
    assert "1 & a & \\textbf{26.00} & +6.00 & 0.6035" in table
    assert "2 & b\\_1 & \\underline{24.00}" in table
    assert "3 & =c\\% & 22.00" in table
    assert table.endswith("\\bottomrule\n\\end{tabular}\n")


def test_there_is_one_count_of_steps_and_a_line_of_the_training(page):
    for details in page.find_elements("css selector", ".made details"):
        page.execute_script("arguments[0].open = true", details)
    text = one(page, ".made").text
    assert text.count("trained on 600 sharp pictures, 1,200 steps") == 3 * 2  # heading and line
    assert "77" not in text
