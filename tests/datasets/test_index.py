import json
import os
import re
import shutil
from pathlib import Path

import cv2
import odd_pictures
import pytest
import tiny_data
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import digest_of, pixel_hash
from blurbench.datasets.index import index
from blurbench.datasets.index import plan as plan_index
from blurbench.datasets.splits import pair_id
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.files import read_jsonl, sha256
from blurbench.images import decode_told
from blurbench.recipes.recipe import load_any_recipe
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity

SHARED = os.environ.get("BLURBENCH_SHARED")
PAIRS = load_any_recipe("pairs")
GOPRO = load_any_recipe("gopro")


def write(path, seed, **size):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), tiny_data.picture(seed, **size)[..., ::-1])


@pytest.fixture
def gopro(tmp_path):
    """Four pairs in three sequences, each blurred twice."""
    root = tmp_path / "GOPRO_Large"
    frames = ("train/S1/{}/1.png", "train/S1/{}/2.png", "train/S2/{}/1.png", "test/S3/{}/1.png")
    for number, frame in enumerate(frames):
        for place, kind in enumerate(("sharp", "blur", "blur_gamma")):
            write(root / frame.format(kind), 10 * number + place)
    return root


def rows(out, split):
    return list(read_jsonl(out / split / "metadata.jsonl"))


def description(out):
    return json.loads((out / "dataset.json").read_text())


def test_every_column_of_a_row(gopro, tmp_path):
    done = index(GOPRO, str(gopro), tmp_path / "index")
    assert (done.made, done.counts, done.failures) == (4, {"test": 1, "train": 3}, [])
    (row,) = rows(tmp_path / "index", "test")
    blur, sharp = (f"test/S3/{kind}/1.png" for kind in ("blur", "sharp"))
    assert row == {
        "id": pair_id(blur, "test", 0),
        "blur_file_name": blur,
        "blur_sha256": sha256((gopro / blur).read_bytes()),
        "blur_pixels": pixel_hash(tiny_data.picture(31)),
        "sharp_file_name": sharp,
        "sharp_sha256": sha256((gopro / sharp).read_bytes()),
        "sharp_pixels": pixel_hash(tiny_data.picture(30)),
        "width": 72,
        "height": 60,
        "source_id": sharp,
        "sequence": "S3",
    }
    for split in ("train", "test"):
        (only,) = (tmp_path / "index" / split).iterdir()  # no picture is copied
        assert only.name == "metadata.jsonl"


def test_the_digest_is_that_of_the_pairs_however_they_are_found(gopro, tmp_path):
    done = index(GOPRO, str(gopro), tmp_path / "index")
    own = []
    for path in gopro.rglob("blur/*.png"):
        name = path.relative_to(gopro).as_posix()
        split = name.split("/")[0]
        images = {"blur": path, "sharp": gopro / name.replace("blur", "sharp")}
        hashes = {
            f"{kind}_pixels": pixel_hash(cv2.imread(str(image))[..., ::-1])
            for kind, image in images.items()
        }
        own.append((split, {"id": pair_id(name, split, 0), **hashes}))
    assert done.digest == digest_of(sorted(own, key=lambda each: (each[0], each[1]["id"])))


@pytest.mark.parametrize("url", ["file://{}/index", "memory://index"])
def test_an_index_is_written_to_a_folder_only(gopro, tmp_path, url):
    for source, out in ((str(gopro), url.format(tmp_path)), (url.format(tmp_path), "out")):
        with pytest.raises(UserError, match=r"^\S+://\S+: pairs are indexed in a folder"):
            index(GOPRO, source, out)
    assert [path.name for path in tmp_path.iterdir()] == ["GOPRO_Large"]


def test_a_folder_without_a_pair_makes_no_index(gopro, tmp_path):
    with pytest.raises(UserError, match=r"holds no pair of pubfig, which is"):
        index(load_any_recipe("pubfig"), str(gopro), tmp_path / "index")
    args = ["synthesize", "hide", "--source", str(gopro / "train"), "--out", "index"]
    (gopro / "train" / "train").mkdir()
    write(gopro / "train" / "train" / "1.png", 1)
    for more in ([], ["--plan"]):
        told = CliRunner().invoke(cli, [*args, *more], standalone_mode=False).exception
        assert isinstance(told, UserError)
        assert "train/1.png: no sharp counterpart GT/1.png" in str(told)
    assert [path.name for path in tmp_path.iterdir()] == ["GOPRO_Large"]


def test_pictures_of_which_none_can_be_read_are_no_data_set(gopro, tmp_path):
    for path in gopro.rglob("blur/*.png"):
        path.write_bytes(b"no picture")
    words = r"no pair could be made; the first: test/S3/blur/1\.png: not a readable image"
    with pytest.raises(UserError, match=words):
        index(GOPRO, str(gopro), tmp_path / "index")
    assert not (tmp_path / "index" / "dataset.json").exists()
    for path in gopro.rglob("blur/*.png"):
        write(path, 1)
    assert index(GOPRO, str(gopro), tmp_path / "index").made == 4


def test_rows_of_another_index_are_left_out(gopro, tmp_path):
    first = index(GOPRO, str(gopro), tmp_path / "index")
    train, test = (tmp_path / "index" / split / "metadata.jsonl" for split in ("train", "test"))
    test.write_text(test.read_text() + train.read_text().splitlines(keepends=True)[0])
    again = index(GOPRO, str(gopro), tmp_path / "index")
    assert (again.made, again.digest) == (0, first.digest)
    assert verify(tmp_path / "index") == []


def test_what_is_peculiar_of_a_picture_is_told(gopro, tmp_path):
    path = gopro / "test/S3/sharp/1.png"
    path.write_bytes(odd_pictures.saved(tiny_data.picture(30), "PNG", "RGBA"))
    done = index(GOPRO, str(gopro), tmp_path / "index")
    assert done.told.notes[-1] == (
        "1 picture with an alpha channel, which is left out (first: test/S3/sharp/1.png)"
    )
    assert [row["read"] for row in rows(tmp_path / "index", "test")] == ["alpha"]
    assert not any("read" in row for row in rows(tmp_path / "index", "train"))


@pytest.mark.slow
def test_workers_and_shards_change_nothing(gopro, tmp_path):
    one = index(GOPRO, str(gopro), tmp_path / "one", shard_size=1)
    two = index(GOPRO, str(gopro), tmp_path / "two", workers=Workers(2))
    assert one.digest == two.digest
    assert description(tmp_path / "one") == description(tmp_path / "two")


def test_the_variant_is_another_data_set(gopro, tmp_path):
    gamma = load_any_recipe("gopro-gamma")
    one, two = index(GOPRO, str(gopro), tmp_path / "one"), index(gamma, str(gopro), tmp_path / "2")
    assert one.digest != two.digest
    with pytest.raises(UserError, match="another recipe"):
        index(gamma, str(gopro), tmp_path / "one")


def test_counts_that_are_not_the_recipes_are_told_and_kept(gopro, tmp_path):
    done = index(GOPRO, str(gopro), tmp_path / "index")
    assert done.told.notes == [
        "warning: train: 3 blurred pictures, 2,103 expected",
        "warning: test: 1 blurred pictures, 1,111 expected",
        "warning: train: 2 sequences, 22 expected",
        "warning: test: 1 sequences, 11 expected",
    ]
    assert "warning: test: 1 sequences, 11 expected" in str(done)
    kept = description(tmp_path / "index")
    assert kept["source"]["unexpected"] == "; ".join(done.told.notes).replace("warning: ", "")
    assert kept["recipe"]["expected"] == {"train": 2103, "test": 1111}
    assert done.failed == 0


def test_nothing_is_read_twice(gopro, tmp_path, monkeypatch):
    index(GOPRO, str(gopro), tmp_path / "index")
    before = (tmp_path / "index" / "dataset.json").stat().st_mtime_ns
    monkeypatch.setattr("blurbench.datasets.index.read_pair", None)
    again = index(GOPRO, str(gopro), tmp_path / "index")
    assert again.made == 0
    assert "nothing was left to index" in str(again)
    assert (tmp_path / "index" / "dataset.json").stat().st_mtime_ns == before


def test_an_interrupted_run_goes_on(gopro, tmp_path, monkeypatch):
    from blurbench.datasets import index as existing

    read, done = existing.read_pair, []

    def interrupted(root, pair):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(pair)
        return read(root, pair)

    monkeypatch.setattr(existing, "read_pair", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index(GOPRO, str(gopro), tmp_path / "index")
    monkeypatch.setattr(existing, "read_pair", read)
    assert index(GOPRO, str(gopro), tmp_path / "index").made == 2
    whole = index(GOPRO, str(gopro), tmp_path / "other")
    assert description(tmp_path / "index")["digest"] == whole.digest


def test_pairs_that_are_none_are_listed_and_read_again(gopro, tmp_path):
    (gopro / "train/S1/sharp/1.png").unlink()
    (gopro / "test/S3/sharp/2.png").write_bytes(b"no picture")
    (gopro / "test/S3/blur/2.png").write_bytes(b"no picture")
    write(gopro / "train/S2/sharp/1.png", 5, width=60)
    done = index(GOPRO, str(gopro), tmp_path / "index")
    assert done.counts == {"test": 1, "train": 1}
    assert [row["error"] for row in done.failures] == [
        "test/S3/blur/2.png: not a readable image",
        "train/S1/blur/1.png: no sharp counterpart train/S1/sharp/1.png",
        "train/S2/blur/1.png: 72x60 px, but train/S2/sharp/1.png is 60x60",
    ]
    assert list(read_jsonl(tmp_path / "index" / "failures.jsonl")) == done.failures
    write(gopro / "train/S2/sharp/1.png", 5)
    assert index(GOPRO, str(gopro), tmp_path / "index").counts == {"test": 1, "train": 2}


def test_a_fault_of_ours_costs_one_pair_and_keeps_its_place(gopro, tmp_path, monkeypatch):
    def faulty(data, name):
        if name.endswith("test/S3/blur/1.png"):
            raise ZeroDivisionError("a fault of ours")
        return decode_told(data, name)

    monkeypatch.setattr("blurbench.datasets.index.decode_told", faulty)
    done = index(GOPRO, str(gopro), tmp_path / "index")
    (failure,) = done.failures
    words = r"test/S3/blur/1\.png: ZeroDivisionError: a fault of ours \(datasets/index\.py:\d+\)"
    assert re.fullmatch(words, failure["error"])
    assert done.counts == {"train": 3}


def test_a_data_set_like_any_other(gopro, tmp_path):
    (tmp_path / "link").symlink_to(gopro)
    out = tmp_path / "index"
    index(GOPRO, str(tmp_path / "link"), out)
    assert description(out)["root"] == str(tmp_path / "link")
    train = BlurDataset(out, "train")
    assert (len(train), train.splits, train.recipe_name) == (3, ("train", "test"), "gopro")
    assert train[0]["blur"].shape == train[0]["sharp"].shape == (3, 60, 72)
    row = train.rows[0]
    assert train.where(row, "sharp") == str(tmp_path / "link" / row["sharp_file_name"])
    assert verify(out) == []
    result = evaluate(
        open_data(out), tmp_path / "result", restore=Identity("identity"), name="identity"
    )
    assert (result.images, result.failed) == (1, 0)


def test_verify_tells_what_changed(gopro, tmp_path):
    index(GOPRO, str(gopro), tmp_path / "index")
    write(gopro / "test/S3/blur/1.png", 99)
    (gopro / "train/S1/sharp/1.png").unlink()
    problems = verify(tmp_path / "index")
    assert len(problems) == 2
    assert f"{gopro}/test/S3/blur/1.png: changed" in problems[0]
    assert "cannot be read" in problems[1]


def test_names_in_rows_do_not_leave_the_root(gopro, tmp_path):
    index(GOPRO, str(gopro), tmp_path / "index")
    path = tmp_path / "index" / "test" / "metadata.jsonl"
    path.write_text(path.read_text().replace('"test/S3/blur/1.png"', '"../x.png"'))
    with pytest.raises(UserError, match="leads out of this folder"):
        BlurDataset(tmp_path / "index", "test")[0]


def test_pictures_that_were_moved(gopro, tmp_path):
    out = tmp_path / "index"
    digest = index(GOPRO, str(gopro), out).digest
    gopro.rename(tmp_path / "moved")
    words = f"run blurbench synthesize gopro --out {out} --source NEW_PLACE"
    for use in (lambda: BlurDataset(out, "test"), lambda: verify(out)):
        with pytest.raises(UserError) as error:
            use()
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    again = index(GOPRO, str(tmp_path / "moved"), out)
    assert (again.made, again.digest) == (0, digest)
    assert verify(out) == []
    assert description(out)["root"] == str(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "train")
    with pytest.raises(UserError, match="another list of images"):
        index(GOPRO, str(tmp_path / "moved"), out)


def test_the_command_line(gopro, tmp_path):
    run = CliRunner().invoke
    args = ["synthesize", "gopro", "--source", str(gopro), "--out", str(tmp_path / "index")]
    planned = run(cli, [*args[:4], "--plan"], standalone_mode=False)
    assert planned.return_value == 0
    assert "3 train, 1 test" in planned.output
    assert str(plan_index(GOPRO, str(gopro))) in planned.output
    assert run(cli, args, standalone_mode=False).return_value == 0
    (gopro / "test/S3/blur/9.png").touch()
    other = [*args[:-1], str(tmp_path / "other")]
    failed = run(cli, other, standalone_mode=False)
    assert failed.return_value == 1
    assert "no sharp counterpart" in failed.output
    assert run(cli, [*args, "--seed", "1"]).exit_code == 2
    assert run(cli, args[:4]).exit_code == 2


@pytest.mark.skipif(not SHARED, reason="set BLURBENCH_SHARED to test on real pairs")
def test_real_pairs(tmp_path):
    folder = Path(SHARED or "") / "data" / "blurred_pairs"
    reds = index(PAIRS, str(folder / "reds_320x180" / "test_000"), tmp_path / "reds")
    assert (reds.counts, reds.failed) == ({"test": 10}, 0)
    both = index(PAIRS, str(folder / "reds_320x180"), tmp_path / "both")
    assert both.counts == {"test": 20}
    assert {row["sequence"] for row in rows(tmp_path / "both", "test")} == {
        "test_000",
        "train_000",
    }
    levin = PAIRS.model_copy(
        update={
            "pairs": (
                PAIRS.pairs[6].model_copy(
                    update={"blur": "blur/{picture}_{kernel}_img", "sharp": "sharp/{picture}"}
                ),
            )
        }
    )
    assert index(levin, str(folder / "levin09"), tmp_path / "levin").counts == {"test": 8}
    result = evaluate(
        open_data(tmp_path / "levin"),
        tmp_path / "result",
        restore=Identity("identity"),
        name="identity",
    )
    assert result.images == 8
    assert 15 < result.means["psnr"] < 30  # blurred, and of the same scene
