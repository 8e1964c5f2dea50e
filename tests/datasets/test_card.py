import numpy as np
import pytest
import tiny_data

from blurbench.datasets.card import CORNER, INKS, _caption, _ghosts, _kernels, write_card
from blurbench.datasets.format import Description, read_description, read_rows
from blurbench.datasets.make import synthesize
from blurbench.datasets.mean_kernel import mean_kernel
from blurbench.datasets.verify import verify
from blurbench.drawing import enlarged
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


def test_a_users_pictures_are_never_said_to_be_the_papers(made):
    text = (made / "README.md").read_text()
    head, _, written_for = text.partition("## What the recipe was written for")
    assert "## Source\n\n`in`, a user's own; nothing more was said (`--source-note`).\n" in head
    assert "## Licence\n\nNothing was said of the pictures' terms (`--licence-note`).\n" in head
    assert written_for.startswith("\n\ntests\n\n## Licence of that\n\na &lt; b")


def test_the_source_is_told_in_words(made):
    text = (made / "README.md").read_text()
    found = text.partition("The source as it was found:\n\n")[2].partition("\n\n")[0]
    assert found.splitlines() == [
        "- kind: folder",
        "- laid out as: images",
        "- pictures: 12",
        "- pictures that state no split: 12",
    ]


def test_what_the_user_says_of_the_pictures_is_on_the_card(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 2)
    recipe = tiny_data.flow_recipe(splits={"train": 1.0, "val": 0.0, "test": 0.0})
    out, source = tmp_path / "out", open_source(str(folder))
    first = synthesize(recipe, source, out)
    noted = synthesize(recipe, source.noted({"source_note": "<my> garden"}), out)
    assert (noted.made, noted.digest) == (0, first.digest)
    text = (out / "README.md").read_text()
    assert "## Source\n\n&lt;my&gt; garden\n" in text
    assert "nothing more was said" not in text
    next(out.glob("train/blur/*")).unlink()
    synthesize(recipe, source.noted({"licence_note": "CC0"}), out)
    text = (out / "README.md").read_text()
    assert "## Source\n\n&lt;my&gt; garden\n" in text  # what was said before stays
    assert "## Licence\n\nCC0\n" in text
    assert verify(out) == []


def test_faces_are_shown_with_their_masks(tmp_path):
    source = open_source(str(tiny_data.write_faces(tmp_path / "in", 2)), masks=True)
    synthesize(tiny_data.face_recipe(), source, tmp_path / "out")
    rows = "Blurred above sharp above mask; in the corner the kernel, enlarged."
    assert rows in (tmp_path / "out" / "README.md").read_text()
    sheet = read_image(tmp_path / "out" / "card" / "pairs.png")
    for ink in INKS:
        assert (sheet == ink).all(axis=2).sum() > 100


def test_a_pair_has_its_kernel_in_the_corner_where_it_has_one(tmp_path):
    recipe = tiny_data.flow_recipe(blur={"family": "trajectory", "sizes": [9], "anxiety": [0, 0.1]})
    synthesize(recipe, open_source(str(tiny_data.write_photos(tmp_path / "in", 1))), tmp_path / "a")
    description = read_description(tmp_path / "a")
    shown = [
        (s, row) for s in description.counts for row in read_rows(open_store(tmp_path / "a"), s)
    ]
    sheet = read_image(tmp_path / "a" / "card" / "pairs.png")[..., 0]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (CORNER, CORNER))
    for _, row in shown:
        wanted = enlarged(mean_kernel(recipe, row), CORNER)
        assert (windows == wanted).all(axis=(2, 3)).sum() == 1
    other = [(split, row | {"parameters": "{}"}) for split, row in shown]  # of another version
    assert _kernels(description, other) == {}


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
    layered = {"kernel_family": "layers", "moved": "objects", "severity_mean_px": 3.25}
    assert _caption("val", layered) == "val: layers, objects moved, 3.2 px"


def test_ghosts_are_told():
    text = " ".join(_ghosts([{"ghosting": 0.5, "step_px": 3.0}, {"ghosting": 0.1, "step_px": 1.0}]))
    assert "30.0 % of the pixels move farther than 1 px, 50.0 % in the worst pair" in text
    assert "99 % move less than 2.0 px in the median pair, 3.0 px in the worst" in text
