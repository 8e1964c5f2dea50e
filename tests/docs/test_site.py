"""The site: which files it is made of, and what its pages of models and names list."""

import re
from pathlib import Path

import pytest
from by_path import module_at

from blurbench.models import MODELS, model_class

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("mkdocs", reason="pip install 'blurbench[docs]'")
    return module_at("docs/site_hook.py")


def test_readme_leads_to_every_page_and_to_the_pictures_of_boards(hook):
    found = {path.relative_to(ROOT).as_posix() for path in hook.led_to(ROOT / "README.md")}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages <= found
    assert {"kernels/README.md", "datasets_manifests/sev-blurdata.toml"} <= found
    board = "leaderboard/published/demo/leaderboard/leaderboard"
    assert f"{board}.html" in found
    assert any(name.startswith(f"{board}_files/") for name in found)


def test_links_are_followed_once_and_only_to_files(hook, tmp_path):
    (tmp_path / "a.md").write_text("[b](b.md#top) [c](c/) [d](https://a.b/c.md) [e](gone.md)")
    (tmp_path / "b.md").write_text("[a](a.md) ![p](p.webp)")
    (tmp_path / "c").mkdir()
    (tmp_path / "p.webp").touch()
    assert {path.name for path in hook.led_to(tmp_path / "a.md")} == {"a.md", "b.md", "p.webp"}


def test_a_page_that_is_opened_from_a_folder_has_no_box_for_searching(hook, driver, tmp_path):
    box = '<div class="md-search">Search</div><label for="__search">Search</label><p>text</p>'
    page = f"<!doctype html><html><head><title>x</title></head><body>{box}</body></html>"
    (tmp_path / "a.html").write_text(hook.on_post_page(page, None, None))
    driver.get((tmp_path / "a.html").as_uri())
    assert driver.execute_script("return document.body.innerText").strip() == "text"
    driver.execute_script("document.documentElement.className = ''")  # as from a server
    assert "Search" in driver.execute_script("return document.body.innerText")


def test_the_reference_has_what_is_promised_and_what_is_used(hook):
    stays, used = hook.reference().split("\n## ")[1:]
    assert "::: blurbench.datasets.BlurDataset\n" in stays
    assert "::: blurbench_kernels.random\n" in stays
    assert "::: blurbench.scoring.evaluate.evaluate\n" in used
    assert "::: blurbench.models.build\n" not in used


def test_every_preset_has_its_cost():
    text = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([\w-]+)` \| `(\w+)` \|", text, re.MULTILINE))
    presets = ("paper", "small", "tiny")
    assert told == {(n, p) for n in MODELS for p in presets if p in model_class(n).PRESETS}


@pytest.mark.parametrize(("name", "preset"), [("unet", "paper"), ("nic", "paper"), ("sp", "tiny")])
def test_costs_are_those_of_the_presets_as_they_are(name, preset):
    text = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
    assert module_at("docs/make_costs.py").row(name, preset) in text.splitlines()
