"""Every page at the widths of a desk and of a phone, in light and dark."""

import numpy as np
import pytest
from browser import CONTRASTS, LOCAL, emulated
from small_results import LOG, write_result, write_run

from blurbench.files import write_bytes, write_text
from blurbench.images import encode
from blurbench.ranking.matrix_report import write_matrix
from blurbench.ranking.report import leaderboard
from blurbench.ranking.runs import list_runs
from blurbench.reproduce.studies.page import study_page
from blurbench.reproduce.studies.registry import find_study

# A browser starts for them, once for all pages.
pytestmark = pytest.mark.slow

WIDTHS = ((1300, False), (1300, True), (390, False), (390, True))
# Drawings and tables of which a phone shows all without any scrolling.
WHOLE = {"runs": [".scroll", ".trace"], "study": [".effects .scroll"], "board": [], "matrix": []}
LONG = "a/very-long-name-of-a-run/with_no_place_to_break_it_anywhere/seed-0"


def board(folder, make_result):
    names = ["identity", "unet", "a-model-with-a-name-that-is-rather-long-for-a-phone"]
    metrics = {"psnr": 25.0, "ssim": 0.7, "lpips": 0.3}
    rows = {f"id{i}": {"metrics": metrics, "severity": float(i // 2)} for i in range(8)}
    folders = [
        make_result(
            folder / f"r{place}",
            name,
            dict.fromkeys(rows, 0.0),
            rows=rows,
            metrics=[*metrics],
            restored_by="model" if place else "identity",
            provenance={"params": 10**8, "gmacs_256": 63.9, "preset": "paper"},
        )
        for place, name in enumerate(names)
    ]
    return leaderboard(folders, folder / "out", ("unet", names[2])).page


def runs(folder, _make_result):
    write_run(folder / "b", LOG[:6])  # looked at once
    run = write_run(folder / LONG)
    for step in (0, 40):
        picture = encode(np.full((8, 24, 3), step, np.uint8))
        write_bytes(run / f"samples/{step:09d}.png", picture)
    list_runs([folder], folder / "runs.html")
    return folder / "runs.html"


def study(folder, _make_result):
    page = study_page(find_study("study-umsn"), {}, ["umsn/1"], 3, stand_in=True)
    write_text(folder / "study.html", page)
    return folder / "study.html"


def matrix(folder, _make_result):
    names, sets, done = ["identity", LONG.replace("/", "-"), "b"], ["shake", "moving-objects"], []
    leaks = {"train": 2, "init": 0, "val": 0, "first": "p1", "unchecked": ""}
    for at, column in enumerate(sets):
        data = {"recipe": "demo", "split": "test", "digest": str(at) * 64, "images": 8}
        for place, name in enumerate(names):
            gain = (0.0, 2.0, -1.0)[place] * (1 - at)
            scores = {f"p{n}": 25.0 + n + gain * (1 + n / 90) for n in range(8)}
            more = {"leaks": leaks} if place == 2 and at else {}
            more["provenance"] = {"data": {"digest": str(place - 1) * 64, "recipe": "demo"}}
            more["restored_by"] = "model" if place else "identity"
            place_of = folder / column / name
            write_result(place_of, name, scores, data=data, **more)
            done.append(place_of)
    write_matrix(folder, done, sets, names[1:])
    return folder / "matrix.html"


@pytest.mark.parametrize("make", [board, runs, study, matrix])
def test_no_page_is_wider_than_its_window_and_all_text_can_be_read(
    make, driver, make_result, tmp_path
):
    driver.get_log("browser")
    driver.get("about:blank")
    driver.get(make(tmp_path, make_result).as_uri())
    for width, dark in WIDTHS:
        with emulated(driver, width, dark=dark):
            for each in driver.find_elements("css selector", "details"):
                driver.execute_script("arguments[0].open = true", each)
            wide = "return document.documentElement.scrollWidth"
            assert driver.execute_script(wide) <= width, (width, dark)
            contrasts = driver.execute_script(CONTRASTS)
            assert min(contrasts.values()) >= 4.5, (width, dark, contrasts)
            if width < 500:
                assert cut(driver, WHOLE[make.__name__]) == []
    assert driver.get_log("browser") == []
    assert driver.current_url.startswith(LOCAL)


def cut(driver, selectors):
    """What of them holds more than it shows."""
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.className)"
    )
    return [each for selector in selectors for each in driver.execute_script(script, selector)]


def test_at_a_desk_the_table_of_three_metrics_fits(driver, make_result, tmp_path):
    driver.get(board(tmp_path, make_result).as_uri())
    with emulated(driver, 1300, dark=False):
        assert cut(driver, [".scroll:has(> table.ranking)"]) == []


def test_a_tick_takes_a_run_out_of_every_drawing(driver, tmp_path):
    driver.get(runs(tmp_path, None).as_uri())
    shown = (
        "return [...document.querySelectorAll(':is(g, section)[data-run]')]"
        ".filter((each) => getComputedStyle(each).display !== 'none')"
        ".map((each) => each.dataset.run)"
    )
    both = driver.execute_script(shown)
    assert set(both) == {"0", "1"}
    tick = driver.find_element("css selector", "input[data-run='0']")
    tick.click()
    assert driver.execute_script(shown) == [run for run in both if run != "0"]
    tick.click()
    assert driver.execute_script(shown) == both
