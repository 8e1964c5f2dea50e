import pytest
import tiny_data

from blurbench.datasets.card import _caption, write_card
from blurbench.datasets.format import Description, read_description
from blurbench.datasets.make import synthesize
from blurbench.datasets.verify import verify
from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.sources.open import open_source
from blurbench.stores.open import open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("card")
    source = open_source(str(tiny_data.write_photos(root / "in", 12)))
    recipe = tiny_data.flow_recipe(
        differs="ours are | smaller", title="<script>alert(1)</script>", licence="a < b & c"
    )
    synthesize(recipe, source, root / "out")
    return root / "out"


def test_the_card_tells_what_the_set_is(made):
    text = (made / "README.md").read_text()
    description = read_description(made)
    assert description.digest in text
    for split, count in description.counts.items():
        assert f"| {split} | {count} |" in text
    assert "| blur.severity | [0.1, 0.5] |" in text
    assert "ours are | smaller" in text
    assert text.startswith("# &lt;script&gt;")  # Markdown is shown with its HTML
    assert "a &lt; b &amp; c" in text
    assert str(made.parent) not in text  # no path of this machine
    assert not text.startswith("---")  # or load_dataset would read it as settings


def test_its_pictures_are_there_and_no_strangers(made):
    for name in ("pairs", "severity"):
        assert read_image(made / "card" / f"{name}.png").std() > 5
        assert f"(card/{name}.png)" in (made / "README.md").read_text()
    assert verify(made) == []


def test_a_picture_that_was_damaged_since_is_told_with_its_mend(made):
    blurred = {path: path.read_bytes() for path in made.glob("*/blur/*.png")}
    try:
        for path in blurred:
            path.write_bytes(b"garbage")
        mend = r"out/\w+/blur/.*; remove it, and run the same synthesize again"
        with pytest.raises(UserError, match=mend):
            write_card(open_store(made), read_description(made))
    finally:
        for path, data in blurred.items():
            path.write_bytes(data)


def test_a_set_of_unknown_severity_has_no_histogram(tmp_path):
    empty = Description(
        recipe=tiny_data.flow_recipe().model_dump(mode="json"),
        seed=0,
        limit=None,
        image_format="png",
        blurbench="0",
        made_with={},
        source={"name": "in"},
        counts={},
        failed=3,
        metadata_sha256={},
        digest="0" * 64,
    )
    write_card(open_store(tmp_path), empty)
    text = (tmp_path / "README.md").read_text()
    assert "severity.png" not in text
    assert "3 inputs could not be used" in text


def test_averaged_frames_are_counted_in_the_caption():
    row = {"kernel_family": "frame_average", "parameters": '{"frames": 9}'}
    assert _caption("test", row) == "test: frame average, 9 frames"
    assert _caption("test", {"kernel_family": "line", "parameters": "{}"}) == "test: line"
