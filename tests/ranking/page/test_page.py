"""The page in a real browser, opened from disk."""

import json
import time

import numpy as np
import pytest
from browser import CONTRASTS, LOCAL, emulated, one, wait

from blurbench.files import write_bytes
from blurbench.images import encode
from blurbench.ranking.report import leaderboard

# A browser starts for them: 19 s in all.
pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"
MEANS = {"identity": 20, "zebra": 25, HOSTILE: 23, "=cmd()": 24, "m1": 11, "m2": 12, "m3": 13}
BY_RANK = ["zebra", "=cmd()", HOSTILE, "identity", "m3", "m2", "m1"]


@pytest.fixture
def page(driver, make_result, tmp_path):
    """The page of eight models with two samples each, loaded; pictures differ by model."""
    folders = []
    for index, (model, mean) in enumerate(MEANS.items()):
        folder = make_result(
            tmp_path / f"result{index}",
            model,
            {f"id{number}": mean + 0.1 * number for number in range(8)},
            restored_by="model" if index else "identity",
            samples=["id1", "id2"],
            provenance={"params": 10 * index} if index > 3 else {},
            rows={f"id{number}": {"severity": 5.0 * (number // 2)} for number in range(8)},
        )
        for name in ("id1", "id2"):
            for role, shade in (("blur", 10), ("sharp", 20), ("restored", 30 + 10 * index)):
                image = np.full((60, 80, 3), shade + int(name[2]), np.uint8)
                write_bytes(folder / "samples" / f"{name}__{role}.png", encode(image))
        folders.append(folder)
    driver.get_log("performance")
    driver.get_log("browser")
    compare = ("zebra", HOSTILE)
    driver.get("about:blank")
    driver.get(leaderboard(folders, tmp_path / "out", compare).page.as_uri())
    wait(driver, lambda: shown(driver, "under") and shown(driver, "over"))
    return driver


def shown(driver, layer):
    """The source of a layer's picture once it is loaded."""
    script = "const i = arguments[0]; return i.complete && i.naturalWidth ? i.src : null"
    return driver.execute_script(script, one(driver, f"img.{layer}"))


def order(driver):
    rows = driver.find_elements("css selector", "table.ranking tbody tr")
    return [row.get_attribute("data-model") for row in rows if row.is_displayed()]


def heading(driver, text):
    headings = driver.find_elements("css selector", "table.ranking thead th")
    return next(one for one in headings if one.text.startswith(text))


def type_filter(driver, text):
    """Into the field that is shown for eight models or more."""
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    driver.execute_script(script, one(driver, ".filter input"), text)


def test_it_opens_from_disk_in_silence(page):
    assert page.get_log("browser") == []
    messages = (json.loads(entry["message"])["message"] for entry in page.get_log("performance"))
    requested = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert requested
    assert [url for url in requested if not url.startswith(LOCAL)] == []


def test_a_click_sorts_and_a_second_one_turns_it_round(page):
    assert order(page) == ["identity", "zebra", "=cmd()", HOSTILE, "m3", "m2", "m1"]
    rank = heading(page, "Rank")
    rank.find_element("tag name", "button").click()
    assert order(page) == BY_RANK
    assert rank.get_attribute("aria-sort") == "ascending"
    heading(page, "PSNR").find_element("tag name", "button").click()
    assert order(page) == BY_RANK
    assert heading(page, "PSNR").get_attribute("aria-sort") == "descending"
    assert rank.get_attribute("aria-sort") == "none"
    heading(page, "PSNR").find_element("tag name", "button").click()
    assert order(page) == BY_RANK[::-1]
    assert heading(page, "PSNR").get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_and_what_is_missing_comes_last(page):
    from selenium.webdriver.common.keys import Keys

    heading(page, "Params").find_element("tag name", "button").send_keys(Keys.ENTER)
    assert order(page)[:3] == ["m1", "m2", "m3"]
    heading(page, "Params").find_element("tag name", "button").send_keys(Keys.SPACE)
    assert order(page)[:3] == ["m3", "m2", "m1"]
    heading(page, "Model").find_element("tag name", "button").send_keys(Keys.ENTER)
    assert order(page) == sorted(MEANS, key=lambda name: (name[0] not in "<=", name))


def test_the_slider_moves_by_keyboard_and_by_mouse(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def state():
        clip = one(page, "img.over").value_of_css_property("clip-path")
        return clip, one(page, ".divider").rect["x"]

    clip, left = state()
    one(page, "input.slider").send_keys(Keys.HOME)
    at_start = state()
    assert at_start[1] < left
    assert at_start[0] != clip
    one(page, "input.slider").send_keys(*[Keys.ARROW_RIGHT] * 4)
    assert float(one(page, "input.slider").get_attribute("value")) == 2
    ActionChains(page).drag_and_drop_by_offset(one(page, ".divider"), 200, 0).perform()
    assert state()[1] == pytest.approx(at_start[1] + 200, abs=30)


def test_the_pickers_change_the_pictures(page):
    from selenium.webdriver.support.ui import Select

    left, right = (Select(one(page, f"select.{side}")) for side in ("left", "right"))
    assert left.first_selected_option.text == "blurred"
    assert right.first_selected_option.text == "zebra"
    assert HOSTILE in [option.text for option in right.options]
    before = shown(page, "under"), shown(page, "over")
    right.select_by_visible_text("sharp")
    wait(page, lambda: shown(page, "under") not in (None, before[0]))
    assert shown(page, "over") == before[1]
    left.select_by_visible_text(HOSTILE)
    wait(page, lambda: shown(page, "over") not in (None, before[1]))
    assert one(page, ".captions .left").text == f"{HOSTILE} PSNR 23.10 dB"
    download = one(page, ".downloads .left")
    assert download.get_attribute("href") == shown(page, "over")
    assert download.get_attribute("download") == "id1--script-alert-1-script-.webp"
    before = shown(page, "under"), shown(page, "over")
    page.find_elements("css selector", ".samples label")[1].click()
    wait(page, lambda: shown(page, "under") not in (None, before[0]))
    wait(page, lambda: shown(page, "over") not in (None, before[1]))
    assert one(page, ".captions .left").text == f"{HOSTILE} PSNR 23.20 dB"


def test_zoom_enlarges_both_layers_alike(page):
    page.find_elements("css selector", ".zoom label")[3].click()
    sizes = [one(page, f"img.{layer}").rect for layer in ("under", "over")]
    assert sizes[0] == sizes[1]
    assert (sizes[0]["width"], sizes[0]["height"]) == (320, 240)


def test_the_filter_keeps_what_matches(page):
    field = one(page, ".filter input")
    assert field.is_displayed() == (len(MEANS) >= 8)
    type_filter(page, "M")
    assert order(page) == ["=cmd()", "m3", "m2", "m1"]


def test_the_address_keeps_sort_filter_and_pictures(page):
    from selenium.webdriver.support.ui import Select

    heading(page, "PSNR").find_element("tag name", "button").click()
    heading(page, "PSNR").find_element("tag name", "button").click()
    type_filter(page, "m")
    Select(one(page, "select.right")).select_by_visible_text(HOSTILE)
    page.find_elements("css selector", ".samples label")[1].click()
    page.find_elements("css selector", ".zoom label")[2].click()
    address = page.current_url
    assert "<" not in address
    page.get("about:blank")
    page.get(address)
    wait(page, lambda: shown(page, "under") and shown(page, "over"))
    assert order(page) == ["m1", "m2", "m3", "=cmd()"]
    assert heading(page, "PSNR").get_attribute("aria-sort") == "ascending"
    assert one(page, ".captions .right").text == f"{HOSTILE} PSNR 23.20 dB"
    assert one(page, "img.under").rect["width"] == 160
    page.execute_script("location.hash = '#sort-1=rank:ascending&left-1=nobody&zoom-1=9'")
    wait(page, lambda: order(page) == BY_RANK)
    assert one(page, ".captions .left").text.startswith("blurred")
    assert page.get_log("browser") == []


def test_every_model_can_be_seen_at_the_place_of_the_zoom(page):
    assert page.find_elements("css selector", ".tiles img") == []
    page.find_elements("css selector", ".zoom label")[3].click()
    one(page, ".tiles summary").click()
    wait(page, lambda: len(page.find_elements("css selector", ".tiles img")) == 2 + 6)
    widths = "return ['.pan', '.tiles .window'].map(s => document.querySelector(s).clientWidth)"
    pan, window = page.execute_script(widths)
    tiles = page.find_elements("css selector", ".tiles img")
    for tile in tiles:
        assert tile.rect["width"] == pytest.approx(window * 320 / pan, abs=1)
    offset = "return arguments[0].offsetLeft"
    left = one(page, ".layers").rect["x"] - one(page, ".pan").rect["x"]
    assert page.execute_script(offset, tiles[0]) == pytest.approx(left * window / pan, abs=1)
    one(page, ".tiles button:last-child").click()
    assert one(page, ".captions .right strong").text == "m1"
    assert one(page, '.tiles [aria-pressed="true"]').text.startswith("m1")


def test_a_picture_of_the_comparison_opens_in_the_slider(page):
    views = page.find_elements("css selector", ".extreme figcaption")
    assert {"zebra", HOSTILE, "blurred", "sharp"} <= {view.text for view in views}
    page.find_elements("css selector", "a.look-at")[-1].click()
    texts = [one(page, f".captions .{side}").text for side in ("left", "right")]
    assert texts == ["zebra PSNR 25.20 dB", f"{HOSTILE} PSNR 23.20 dB"]
    assert "sample-1=id2" in page.current_url


def test_the_curves_and_the_matrix_are_drawn(page):
    assert len(page.find_elements("css selector", ".chart svg polyline")) == 7
    assert one(page, ".chart .series-1 text").text == "zebra"
    one(page, ".comparisons summary").click()
    first = [row.text.split("\n")[0] for row in page.find_elements("css selector", ".matrix tr")]
    assert first[1].startswith("1 zebra")
    assert "100 %" in one(page, ".matrix tbody tr").text


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_sticks_out_and_all_text_can_be_read(page, dark):
    with emulated(page, 390, dark=dark):
        for details in page.find_elements("css selector", "details"):
            page.execute_script("arguments[0].open = true", details)
        assert page.execute_script("return document.documentElement.scrollWidth") == 390
        assert min(page.execute_script(CONTRASTS).values()) >= 4.5  # WCAG 2, level AA


def test_a_row_whose_training_saw_the_pictures_is_marked_in_light_and_dark(
    driver, make_result, tmp_path
):
    values = {f"id{number}": 20.0 + number for number in range(8)}
    leaks = {"train": 2, "val": 1, "first": "id3"}
    folders = [
        make_result(tmp_path / "a", "a", values),
        make_result(tmp_path / "b", "b", values, leaks=leaks),
    ]
    driver.get(leaderboard(folders, tmp_path / "out", ("a", "b")).page.as_uri())
    tags = driver.find_elements("css selector", "tr[data-model='b'] .tag.warn")
    assert [tag.text for tag in tags] == ["unranked: training saw 3 of 8"]
    assert "id3" in tags[0].get_attribute("title")
    assert not driver.find_elements("css selector", "tr[data-model='a'] .tag.warn")
    told = "trained on the sources of 2 pictures, chose its weights by the sources of 1 picture"
    assert one(driver, ".story .caution").text == f"b is not ranked: {told}."
    for dark in (False, True):
        with emulated(driver, 1300, dark=dark):
            assert min(driver.execute_script(CONTRASTS).values()) >= 4.5


def test_every_control_has_a_name(page):
    for control in page.find_elements("css selector", "button, input, select, a, [tabindex], svg"):
        hidden = control.find_elements("xpath", "ancestor-or-self::*[@aria-hidden='true']")
        if control.is_displayed() and not hidden:
            assert control.accessible_name, control.get_attribute("outerHTML")
    for image in page.find_elements("css selector", "img"):
        assert image.get_attribute("alt") is not None


def test_a_name_leads_to_how_the_line_was_made(page):
    one(page, "tr[data-model='m1'] th a").click()
    opened = page.find_elements("css selector", ".made details[open]")
    assert [details.find_element("tag name", "summary").text for details in opened] == ["m1"]
    assert "params" in opened[0].text


def test_without_script_the_tables_are_still_there(page):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert len(order(page)) == len(MEANS)
        assert not one(page, ".viewer").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_fifty_models_on_a_thousand_pictures_open_sort_and_filter_within_two_seconds(
    driver, make_result, tmp_path
):
    rng = np.random.default_rng(0)
    hard, lengths = rng.normal(25, 3, 1000), rng.uniform(2, 40, 1000)
    rows = {
        f"id{i:03}": {"severity": length, "groups": {"family": "ab"[i % 2]}}
        for i, length in enumerate(lengths)
    }
    folders = []
    for index in range(50):
        values = hard + 0.1 * index + rng.normal(0, 0.5, 1000)
        psnr = {name: float(value) for name, value in zip(rows, values, strict=True)}
        changes = {"rows": rows, "samples": ["id001", "id002"]}
        folder = make_result(tmp_path / f"r{index}", f"model {index}", psnr, **changes)
        for name in changes["samples"]:
            for role in ("blur", "sharp", "restored"):
                image = rng.integers(0, 255, (8, 8, 3), np.uint8)
                write_bytes(folder / "samples" / f"{name}__{role}.png", encode(image))
        folders.append(folder)
    address = leaderboard(folders, tmp_path / "out").page.as_uri()
    began = time.perf_counter()
    driver.get(address)
    wait(driver, lambda: shown(driver, "under") and shown(driver, "over"))
    heading(driver, "PSNR").find_element("tag name", "button").click()
    type_filter(driver, "model 4")
    one(driver, ".comparisons summary").click()
    assert len(driver.find_elements("css selector", ".matrix tbody tr")) == 50
    assert time.perf_counter() - began < 2
    assert order(driver) == [f"model {i}" for i in (*range(49, 39, -1), 4)]
