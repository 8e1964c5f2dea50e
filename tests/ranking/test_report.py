import csv
import re

import numpy as np
import pytest

from blurbench.__main__ import run
from blurbench.errors import UserError
from blurbench.files import write_bytes
from blurbench.images import encode, read_image
from blurbench.ranking.page.render import compact
from blurbench.ranking.report import leaderboard

HOSTILE = "<script>alert(1)</script>"


def psnr(mean, count=8):
    return {f"id{index}": mean + 0.1 * index for index in range(count)}


@pytest.fixture
def results(make_result, tmp_path):
    """Three models on one board, each with two sample pictures."""
    folders = []
    for level, model in enumerate(["identity", "=cmd()|' /C calc'!A0", HOSTILE]):
        kind = "model" if level else "identity"
        folder = make_result(
            tmp_path / f"result{level}",
            model,
            psnr(20 + level),
            restored_by=kind,
            samples=["id1", "id2"],
            milliseconds_median=12.5,
            provenance={"params": 7841123, "preset": "tiny", "config": {"note": HOSTILE}},
        )
        for name in ("id1", "id2"):
            for role, shade in (("blur", 10), ("sharp", 20), ("restored", 30 + 10 * level)):
                image = np.full((12, 900, 3), shade + int(name[2]), np.uint8)
                write_bytes(folder / "samples" / f"{name}__{role}.png", encode(image))
        folders.append(folder)
    return folders


def test_the_csv_holds_a_line_a_model_with_intervals_and_gains(results, tmp_path):
    summary = leaderboard(results, tmp_path / "out")
    rows = list(csv.DictReader(summary.csv.open(encoding="utf-8")))
    assert [row["rank"] for row in rows] == ["3", "1", "2"]
    assert [row["model"] for row in rows] == ["identity", HOSTILE, "'=cmd()|' /C calc'!A0"]
    best = rows[1]
    assert float(best["psnr_mean"]) == pytest.approx(22.35)
    assert float(best["psnr_low"]) < 22.35 < float(best["psnr_high"])
    assert float(best["psnr_gain_mean"]) == pytest.approx(2)
    assert (best["params"], best["milliseconds"], best["preset"]) == ("7841123", "12.5", "tiny")
    assert rows[0]["psnr_gain_mean"] == ""
    assert [row["psnr_mean_rank"] for row in rows] == ["3", "1", "2"]
    assert {row["seeds"] + row["taken_from"] + row["psnr_printed"] for row in rows} == {""}
    assert {row["digest"] for row in rows} == {"d" * 64}
    assert "leaderboard.html" in str(summary)


def test_the_page_says_how_many_sharp_pictures_there_are(make_result, tmp_path):
    rows = {f"id{index}": {"source": f"face{index // 4}"} for index in range(8)}
    folder = make_result(tmp_path / "a", "a", psnr(20), rows=rows)
    page = leaderboard([folder], tmp_path / "out").page.read_text(encoding="utf-8")
    assert "<dd>8 of 2 sharp ones</dd>" in page
    assert "Fewer than 6 sharp pictures behind the blurred ones" in page
    other = leaderboard([make_result(tmp_path / "b", "b", psnr(20))], tmp_path / "other")
    assert "<dd>8</dd>" in other.page.read_text(encoding="utf-8")


def test_a_model_is_not_compared_with_itself(results, tmp_path):
    with pytest.raises(UserError, match="--compare identity identity: name two different"):
        leaderboard(results, tmp_path / "out", ("identity", "identity"))


def test_boards_of_two_protocols_are_told_apart(make_result, tmp_path):
    folders = [
        make_result(tmp_path / name, "alone", psnr(20), protocol=name)
        for name in ("wang-rgb", "gopro-matlab")
    ]
    page = leaderboard(folders, tmp_path / "out").page.read_text(encoding="utf-8")
    links = re.findall(r'<li><a href="#(.*?)">.*?<span class="quiet">(.*?)</span>', page)
    assert len(set(links)) == 2
    assert {text for _, text in links} == {
        f"test, {name}, 8 pictures" for name in ("wang-rgb", "gopro-matlab")
    }
    assert "is first on" not in page  # nobody to be better than


def test_no_name_reaches_the_page_as_markup(results, tmp_path):
    page = leaderboard(results, tmp_path).page.read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert HOSTILE not in page
    assert not re.search(r"https?://", page)


def test_the_close_up_is_where_the_first_is_nearer_to_the_sharp_picture(make_result, tmp_path):
    sharp = np.full((400, 600, 3), 100, np.uint8)
    folders = []
    # Each is wrong at a place of its own; the loser's is the one to show.
    for model, (top, left) in {"good": (20, 20), "bad": (300, 450)}.items():
        restored = sharp.copy()
        restored[top : top + 30, left : left + 30] = 160
        changes = {"samples": ["id1"], "restored_by": "model"}
        folder = make_result(tmp_path / model, model, psnr(20 + (model == "good")), **changes)
        for role, image in (("blur", sharp), ("sharp", sharp), ("restored", restored)):
            write_bytes(folder / "samples" / f"id1__{role}.png", encode(image))
        folders.append(folder)
    page = leaderboard(folders, tmp_path / "out", compare=("good", "bad")).page
    views = re.findall(r'src="(.*?)" alt="id1, (\w+)"', page.read_text(encoding="utf-8"))
    files = {label: read_image(tmp_path / "out" / name) for name, label in views}
    assert {image.shape for image in files.values()} == {(192, 256, 3)}
    assert (files["bad"] == 160).sum() == 30 * 30 * 3
    assert (files["good"] == 100).all()


@pytest.mark.parametrize("odd", ["larger", "cut", "flipped", "sharp"])
def test_an_odd_sample_costs_itself_alone_and_is_told(make_result, tmp_path, capsys, odd):
    folders, plain = [], encode(np.full((300, 300, 3), 100, np.uint8))
    for model in ("good", "bad"):
        changes = {"samples": ["id1"], "restored_by": "model"}
        folder = make_result(tmp_path / odd / model, model, psnr(20 + (model == "good")), **changes)
        for role in ("blur", "sharp", "restored"):
            write_bytes(folder / "samples" / f"id1__{role}.png", plain)
        folders.append(folder)
    role, data = "restored", encode(np.full((310, 300, 3), 90, np.uint8))
    if odd == "cut":
        data = data[:99]
    if odd == "flipped":  # one bit: PNG has checksums of its own
        data = data[:99] + bytes([data[99] ^ 1]) + data[100:]
    if odd == "sharp":
        role = odd
    for folder in folders[-1:] if odd != "sharp" else folders:
        write_bytes(folder / "samples" / f"id1__{role}.png", data)
    page = leaderboard(folders, tmp_path / "out", compare=("good", "bad")).page
    views = re.findall(r'src=".*?" alt="id1, (\w+)"', page.read_text(encoding="utf-8"))
    assert views == (["blurred", "good", "bad"] if odd == "sharp" else [])
    told = capsys.readouterr().err
    if odd == "larger":
        assert "id1: pictures of other sizes by good and bad; no close-up of it" in told
    if odd in ("cut", "flipped"):
        assert told.count("id1__restored.png") == 1
        assert "left out of the page" in told


def test_the_number_a_paper_prints_stands_beside_ours(make_result, tmp_path):
    data = {"recipe": "gopro", "split": "test", "digest": "d" * 64, "images": 8}
    for preset, expected in (("paper", "30.29 (sp-1)"), ("tiny", "")):
        folder = make_result(
            tmp_path / preset,
            "my run",
            psnr(20),
            data=data,
            provenance={"model": "unet", "preset": preset},
        )
        summary = leaderboard([folder], tmp_path / f"{preset} out")
        [row] = csv.DictReader(summary.csv.open(encoding="utf-8"))
        assert row["psnr_printed"].split("; ")[0] == expected
        assert ("printed 30.29" in summary.page.read_text(encoding="utf-8")) == bool(expected)
    other = make_result(tmp_path / "val", "a", psnr(20), data={**data, "split": "val"})
    assert "printed 30" not in leaderboard([other], tmp_path / "c").page.read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_but_pictures_beside_it(results, tmp_path):
    page = leaderboard(results, tmp_path).page.read_text(encoding="utf-8")
    assert not re.search(r"<(?:link|script|img|iframe)[^>]+(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page
    named = set(re.findall(r"[0-9a-f]{20}\.webp", page))
    kept = {path.name for path in (tmp_path / "leaderboard_files").iterdir()}
    assert named == kept
    assert len(kept) == 2 * (2 + 2)  # blur, sharp and two models; identity is the blur


def test_the_same_results_give_the_same_bytes_in_any_order(results, tmp_path):
    first = leaderboard(results, tmp_path / "a")
    second = leaderboard(list(reversed(results)), tmp_path / "b")
    assert first.csv.read_bytes() == second.csv.read_bytes()
    assert first.page.read_bytes() == second.page.read_bytes()


def test_pictures_are_cropped_at_the_centre_without_loss(results, tmp_path):
    leaderboard(results, tmp_path)
    for path in (tmp_path / "leaderboard_files").iterdir():
        image = read_image(path)
        assert image.shape == (12, 768, 3)
        assert image.std() == 0


def test_an_older_page_leaves_no_pictures_behind_and_other_files_alone(results, tmp_path):
    (tmp_path / "leaderboard_files").mkdir()
    stale = tmp_path / "leaderboard_files" / f"{'0' * 20}.webp"
    mine = tmp_path / "leaderboard_files" / "mine.webp"
    stale.write_bytes(b"")
    mine.write_bytes(b"")
    leaderboard(results, tmp_path)
    assert not stale.exists()
    assert mine.exists()


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.html"])
def test_a_board_overwrites_boards_alone(results, tmp_path, name):
    leaderboard(results, tmp_path)
    leaderboard(results, tmp_path)
    (tmp_path / name).write_text("model,psnr\nmine,30\n")
    with pytest.raises(UserError, match=rf"{name}: is there, and not made by this; move it"):
        leaderboard(results, tmp_path)
    assert (tmp_path / name).read_text() == "model,psnr\nmine,30\n"


def test_a_board_that_is_read_is_not_overwritten(results, tmp_path):
    leaderboard(results, tmp_path)
    with pytest.raises(UserError, match=r"leaderboard\.csv: would overwrite what is read"):
        leaderboard([*results, tmp_path / "leaderboard.csv"], tmp_path)


def test_a_sample_id_cannot_lead_out_of_its_result(make_result, tmp_path):
    folder = make_result(tmp_path / "r", "a", psnr(20), samples=["../../../secret"])
    with pytest.raises(UserError, match="leads out of this folder"):
        leaderboard([folder], tmp_path / "out")


def test_comparing_two_models_tells_the_paired_difference_with_pictures(results, tmp_path):
    page = leaderboard(results, tmp_path, compare=(HOSTILE, "identity")).page
    text = page.read_text(encoding="utf-8")
    assert "against identity" in text
    assert "8 : 0" in text
    assert "Where &lt;script&gt;alert(1)&lt;/script&gt; wins most" in text
    assert "Where identity wins most" not in text
    assert "<code>id0</code> +2.00 dB (not stored)" in text
    assert re.findall(r"<code>(id\d)</code> <strong>", text) == ["id1", "id2"]
    named = set(re.findall(r"[0-9a-f]{20}\.webp", text))
    assert named == {path.name for path in (tmp_path / "leaderboard_files").iterdir()}
    close = [read_image(tmp_path / "leaderboard_files" / name).shape for name in named]
    assert set(close) == {(12, 768, 3), (12, 256, 3)}
    with pytest.raises(UserError, match="no board has both 'identity' and 'nobody'"):
        leaderboard(results, tmp_path, compare=("identity", "nobody"))


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_pictures_make_a_page_without_ranks(make_result, tmp_path, count):
    folders = [
        make_result(tmp_path / "a", "identity", psnr(20, count), restored_by="identity"),
        make_result(tmp_path / "b", "better", psnr(25, count)),
        make_result(tmp_path / "c", "best", psnr(26, count)),
    ]
    summary = leaderboard(folders, tmp_path / "out")
    page = summary.page.read_text(encoding="utf-8")
    assert "too few for an interval" in page
    assert 'class="verdict"' not in page
    rows = list(csv.DictReader(summary.csv.open(encoding="utf-8")))
    assert [row["model"] for row in rows] == ["identity", "best", "better"]
    assert {(row["psnr_low"], row["rank"], row["psnr_rank"]) for row in rows} == {("", "", "")}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.457, "0.457"),
        (13.25, "13.2"),
        (7841123, "7.84 M"),
        (2e9, "2 G"),
        (1e3, "1 k"),
    ],
)
def test_large_numbers_are_shortened(value, text):
    assert compact(value) == text


def test_a_folder_of_results_and_names_for_some_of_them(make_result, tmp_path, capsys):
    for name in ("a", "b"):
        make_result(tmp_path / "all" / name, "unet", psnr(20), restored_by="model")
    words = ["leaderboard", str(tmp_path / "all"), "--out", str(tmp_path / "out")]
    assert run(words) == 2
    assert "both called 'unet' on one board; leave one out, or give one as NAME=RESULT" in (
        capsys.readouterr().err
    )
    assert run([*words, f"mine={tmp_path / 'all' / 'b'}"]) == 0
    with (tmp_path / "out" / "leaderboard.csv").open() as file:
        assert sorted(row["model"] for row in csv.DictReader(file)) == ["mine", "unet"]
    assert run([*words, f"mine={tmp_path / 'all'}"]) == 2
    assert "a name is of one result" in capsys.readouterr().err


def test_a_csv_begins_with_what_a_reader_looks_for(results, tmp_path):
    made = leaderboard(results, tmp_path / "out")
    heading = made.csv.read_text().splitlines()[0].split(",")
    assert heading[:12] == [
        *("recipe", "split", "protocol", "rank", "model", "preset", "seeds", "images", "missing"),
        *("psnr_mean", "psnr_low", "psnr_high"),
    ]
    assert heading[-3:] == ["run_hash", "digest", "board"]
