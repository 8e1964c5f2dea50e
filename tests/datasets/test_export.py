"""Exports are read here as the trainers they are for read them."""

import json
import shutil
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
import torch

from blurbench.datasets import BlurDataset
from blurbench.datasets.export import databases, export, tars
from blurbench.datasets.index import index
from blurbench.datasets.make import synthesize
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.files import read_jsonl, write_bytes
from blurbench.images import encode
from blurbench.recipes.recipe import load_any_recipe
from blurbench.sources.open import open_source

KINDS = ("webdataset", "lmdb", "basicsr")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Three pairs of one split, with masks, as WebP."""
    root = tmp_path_factory.mktemp("faces")
    source = open_source(str(tiny_data.write_faces(root / "in", 3)), masks=True)
    recipe = tiny_data.face_recipe(replicas={"train": 1})
    synthesize(recipe, source, root / "out", image_format="webp")
    return root / "out"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Path:
    """Two pairs that lie elsewhere, of a PNG and a JPEG each."""
    root = tmp_path_factory.mktemp("indexed")
    for place, (kind, suffix) in enumerate((("blur", ".png"), ("sharp", ".jpg"))):
        for number in range(2):
            data = encode(tiny_data.picture(10 * place + number), suffix)
            write_bytes(root / "in" / "test" / kind / f"{number}{suffix}", data)
    index(load_any_recipe("pairs"), str(root / "in"), root / "out")
    return root / "out"


@pytest.fixture
def copy(faces, tmp_path) -> Path:
    return Path(shutil.copytree(faces, tmp_path / "set"))


def splits_of(folder: Path) -> dict[str, BlurDataset]:
    counts = json.loads((folder / "dataset.json").read_text())["counts"]
    return {split: BlurDataset(folder, split) for split in counts}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def bgr_to_item(data: bytes) -> torch.Tensor:
    """How BasicSR decodes a file or a value: OpenCV, BGR turned to RGB, / 255."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    rgb = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb.astype(np.float32) / np.float32(255))


def assert_pairs(data: BlurDataset, pairs: dict[str, tuple[bytes, bytes]]) -> None:
    """The (blur, sharp) files by id are the pairs of the split."""
    assert len(pairs) == len(data)
    for item in data:
        blur, sharp = pairs[item["id"]]
        assert torch.equal(bgr_to_item(blur), item["blur"])
        assert torch.equal(bgr_to_item(sharp), item["sharp"])


# WebDataset


def read_tars(paths: list[Path]) -> list[dict]:
    webdataset = pytest.importorskip("webdataset")
    urls = [str(path) for path in sorted(paths)]
    return list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))


def test_webdataset_itself_reads_the_pairs_and_their_rows(whole, tmp_path):
    export(whole.out, "webdataset", tmp_path / "out", shard_pairs=5)
    for split, data in splits_of(whole.out).items():
        paths = list((tmp_path / "out").glob(f"{split}-*.tar"))
        assert len(paths) == -(-len(data) // 5)
        samples = {sample["__key__"]: sample for sample in read_tars(paths)}
        assert len(samples) == len(data)
        for row, item in zip(data.rows, data, strict=True):
            sample = samples[row["id"]]
            assert sample["json"] == row
            for kind in ("blur", "sharp"):
                pixels = torch.from_numpy(
                    sample[f"{kind}.png"].transpose(2, 0, 1) / np.float32(255)
                )
                assert torch.equal(pixels, item[kind])
    dataset = (tmp_path / "out" / "dataset.json").read_bytes()
    assert dataset == (whole.out / "dataset.json").read_bytes()


def test_webdataset_reads_webp_and_masks(faces, tmp_path):
    export(faces, "webdataset", tmp_path / "out")
    samples = {sample["__key__"]: sample for sample in read_tars([*tmp_path.glob("out/*.tar")])}
    for item in BlurDataset(faces, "train"):
        sample = samples[item["id"]]
        assert np.array_equal(sample["mask.png"][..., 0], item["mask"].argmax(0))
        assert np.array_equal(sample["blur.webp"], (item["blur"] * 255).byte().permute(1, 2, 0))


def test_the_pictures_of_an_index_are_copied_and_their_place_is_not_told(indexed, tmp_path):
    export(indexed, "webdataset", tmp_path / "out")
    (path,) = tmp_path.glob("out/*.tar")
    assert str(indexed.parent).encode() not in b"".join(contents(tmp_path / "out").values())
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    ids = {name.split(".")[0] for name in files}
    pairs = {id: (files[f"{id}.blur.png"], files[f"{id}.sharp.jpg"]) for id in ids}
    assert_pairs(BlurDataset(indexed, "test"), pairs)


def test_tars_mix_the_sources_and_say_nothing_of_who_made_them(whole, tmp_path):
    export(whole.out, "webdataset", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "train-000000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }
    ids = list(dict.fromkeys(member.name.split(".")[0] for member in members))
    assert ids != sorted(ids)
    assert sorted(ids) == [row["id"] for row in BlurDataset(whole.out, "train").rows]


def test_a_tar_is_full_by_bytes_too(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "TAR_BYTES", 1)
    export(whole.out, "webdataset", tmp_path / "out")
    assert len(list(tmp_path.glob("out/*.tar"))) == sum(whole.counts.values())


# LMDB and folders, by the rules of BasicSR's PairedImageDataset


def read_lmdb(lq: Path, gt: Path) -> dict[str, tuple[bytes, bytes]]:
    lmdb = pytest.importorskip("lmdb")
    assert lq.suffix == gt.suffix == ".lmdb"
    keys = [
        [line.split(".")[0] for line in (folder / "meta_info.txt").open()] for folder in (lq, gt)
    ]
    assert set(keys[0]) == set(keys[1])
    values = []
    for folder in (lq, gt):
        client = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with client.begin(write=False) as transaction:
            assert transaction.stat()["entries"] == len(keys[0])
            values.append([transaction.get(key.encode("ascii")) for key in sorted(keys[0])])
        client.close()
    return dict(zip(sorted(keys[0]), zip(*values, strict=True), strict=True))


def test_lmdb_is_read_by_the_rules_of_basicsr(whole, tmp_path):
    out = tmp_path / "out"
    export(whole.out, "lmdb", out)
    for split, data in splits_of(whole.out).items():
        assert_pairs(data, read_lmdb(out / f"{split}_blur.lmdb", out / f"{split}_sharp.lmdb"))
        first = data.rows[0]
        line = (out / f"{split}_sharp.lmdb" / "meta_info.txt").read_text().splitlines()[0]
        assert line == f"{first['id']}.png ({first['height']},{first['width']},3) 1"
        assert (out / f"{split}_blur.lmdb" / "lock.mdb").is_file()


def test_lmdb_holds_webp_and_masks_and_grows(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "MAP_BYTES", 2**14)
    monkeypatch.setattr(databases, "BATCH", 2)
    out = tmp_path / "out"
    export(faces, "lmdb", out)
    data = BlurDataset(faces, "train")
    assert_pairs(data, read_lmdb(out / "train_blur.lmdb", out / "train_sharp.lmdb"))
    masks = read_lmdb(out / "train_mask.lmdb", out / "train_mask.lmdb")
    for item in data:
        mask = cv2.imdecode(np.frombuffer(masks[item["id"]][0], np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(mask, item["mask"].argmax(0))
    assert ",1) 1" in (out / "train_mask.lmdb" / "meta_info.txt").read_text()
    assert (out / "train_mask.lmdb" / "data.mdb").stat().st_size > 2**14


@pytest.mark.parametrize("kind", ["lmdb", "basicsr"])
def test_the_options_lead_basicsr_to_the_files(whole, tmp_path, kind):
    yaml = pytest.importorskip("yaml")
    export(whole.out, kind, tmp_path)
    for split in whole.counts:
        options = yaml.safe_load((tmp_path / f"{split}.yml").read_text())[split]
        assert options["type"] == "PairedImageDataset"
        assert all((tmp_path / options[root]).is_dir() for root in ("dataroot_gt", "dataroot_lq"))
        assert options["io_backend"] == {"type": "lmdb" if kind == "lmdb" else "disk"}
    sides = [min(row["height"], row["width"]) for row in BlurDataset(whole.out, "train").rows]
    train = yaml.safe_load((tmp_path / "train.yml").read_text())["train"]
    assert train["gt_size"] == min(sides)
    assert "meta_info_file" not in train or (tmp_path / train["meta_info_file"]).is_file()


@pytest.mark.parametrize("made", ["whole", "faces", "indexed"])
def test_folders_are_read_by_the_rules_of_basicsr(request, tmp_path, made):
    source = getattr(found := request.getfixturevalue(made), "out", found)
    export(source, "basicsr", tmp_path)
    for split, data in splits_of(source).items():
        lines = (tmp_path / f"meta_info_{split}.txt").read_text().splitlines()
        by_list = [line.split(" ")[0] for line in lines]
        # paired_paths_from_folder scans one folder and looks for the same names in the other.
        by_folder = [path.name for path in (tmp_path / split / "gt").iterdir()]
        assert sorted(by_list) == sorted(by_folder)
        assert sorted(by_folder) == sorted(p.name for p in (tmp_path / split / "lq").iterdir())
        files = {name: tmp_path / split / "{}" / name for name in by_list}
        pairs = {
            Path(name).stem: tuple(
                Path(str(path).format(folder)).read_bytes() for folder in ("lq", "gt")
            )
            for name, path in files.items()
        }
        assert_pairs(data, pairs)
        row = data.rows[0]
        assert lines[0].endswith(f" ({row['height']},{row['width']},3)")


# What every format keeps to


@pytest.mark.parametrize("kind", ["webdataset", "basicsr"])
def test_two_exports_are_equal_to_the_byte(whole, tmp_path, kind):
    export(whole.out, kind, tmp_path / "one")
    export(whole.out, kind, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_two_workers_write_what_one_does(faces, tmp_path):
    export(faces, "webdataset", tmp_path / "one", shard_pairs=1)
    export(faces, "webdataset", tmp_path / "two", shard_pairs=1, workers=Workers(2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_did_and_leaves_nothing_behind(faces, tmp_path, kind):
    exported = export(faces, kind, tmp_path / "out")
    digest = json.loads((faces / "dataset.json").read_text())["digest"]
    assert str(exported) == (
        f"{tmp_path / 'out'}: 3 pairs (3 train) as {kind}; "
        f"9 pictures read back and found the same\ndigest {digest}"
    )
    done = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (done["kind"], done["digest"], done["counts"]) == (kind, digest, {"train": 3})
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.parametrize("kind", KINDS)
def test_run_again_it_mends_what_is_damaged_or_missing(faces, tmp_path, kind, capsys):
    out = tmp_path / "out"
    export(faces, kind, out, shard_pairs=1)
    before, meant, times = contents(out), meanings(out), write_times(out)
    largest = max(before, key=lambda name: len(before[name]))
    data = bytearray(before[largest])
    data[data.rindex(b"WEBP")] ^= 1  # within a picture
    (out / largest).write_bytes(data)
    export(faces, kind, out, shard_pairs=1)
    assert meanings(out) == meant
    if kind != "basicsr":  # where a shard is many files
        kept = {name for name, time in write_times(out).items() if times[name] == time}
        assert {Path(name).parts[0] for name in set(times) - kept} == {Path(largest).parts[0]}
    (out / largest).unlink()
    (out / ".tmp-torn.png").touch()
    capsys.readouterr()
    export(faces, kind, out, shard_pairs=1)
    assert meanings(out) == meant
    assert "export: 9/9 in" in capsys.readouterr().err  # what was there counts as well


def meanings(folder: Path) -> dict[str, object]:
    """The contents, but of a database what it holds: what nothing refers to may be anything."""
    files: dict[str, object] = {**contents(folder)}
    for path in folder.glob("*.lmdb"):
        del files[f"{path.name}/lock.mdb"]
        files[f"{path.name}/data.mdb"] = read_lmdb(path, path)
    return files


def write_times(folder: Path) -> dict[str, int]:
    shards = (path for path in folder.rglob("*") if path.suffix in (".tar", ".mdb"))
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in shards}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["flip", "gone"])
def test_a_picture_that_is_not_the_one_made_is_refused_by_name(copy, tmp_path, kind, damage):
    export(copy, kind, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        if path.name != "export.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    victim = sorted((copy / "train" / "sharp").iterdir())[1]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data) if damage == "flip" else victim.unlink()
    with pytest.raises(UserError) as caught:
        export(copy, kind, tmp_path / "out")
    assert str(victim) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "export.json").exists()
    victim.write_bytes(bytes(data[:-1]) + bytes([data[-1] ^ 1]))
    export(copy, kind, tmp_path / "out")
    assert (tmp_path / "out" / "export.json").exists()


def test_a_folder_that_holds_anything_else_is_refused(faces, whole, indexed, tmp_path):
    (tmp_path / "photo.png").touch()
    with pytest.raises(UserError, match="not empty, and not an export"):
        export(faces, "basicsr", tmp_path)
    with pytest.raises(UserError, match="is a file"):
        export(faces, "basicsr", tmp_path / "photo.png")
    export(faces, "basicsr", tmp_path / "out")
    told = r"an export of another kind \(basicsr there, lmdb asked for\); give another --out"
    with pytest.raises(UserError, match=told):
        export(faces, "lmdb", tmp_path / "out")
    with pytest.raises(
        UserError, match=r"an export of another recipe .*, digest .*, metadata_sha256 \("
    ):
        export(whole.out, "basicsr", tmp_path / "out")
    with pytest.raises(UserError, match="lies in the data set"):
        export(faces, "basicsr", faces / "out")
    with pytest.raises(UserError, match="lies in the data set"):
        export(indexed, "basicsr", indexed.parent / "in" / "out")
    with pytest.raises(UserError, match="no such format; there are webdataset, lmdb, basicsr"):
        export(faces, "tfrecord", tmp_path / "new")


@pytest.mark.parametrize("name", ["../../escape", "a.b", "a b", "", "a" * 81])
def test_ids_that_cannot_be_names_are_refused(copy, tmp_path, name):
    change_rows(copy, lambda row: {**row, "id": name})
    with pytest.raises(UserError, match="cannot name a file"):
        export(copy, "basicsr", tmp_path / "out")


@pytest.mark.parametrize("column", ["height", "blur_sha256"])
def test_rows_without_a_needed_column_are_refused(copy, tmp_path, column):
    change_rows(copy, lambda row: {key: row[key] for key in row if key != column})
    with pytest.raises(UserError, match=f"has no {column}"):
        export(copy, "webdataset", tmp_path / "out")


def change_rows(folder: Path, change) -> None:
    path = folder / "train" / "metadata.jsonl"
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in read_jsonl(path)))


def test_changed_rows_and_unfinished_sets_are_refused(copy, tmp_path):
    change_rows(copy, lambda row: {**row, "replica": 7})
    with pytest.raises(UserError, match=r"metadata\.jsonl: changed"):
        export(copy, "webdataset", tmp_path / "out")
    (copy / ".blurbench").mkdir()
    with pytest.raises(UserError, match="unfinished"):
        export(copy, "webdataset", tmp_path / "out")


def test_a_missing_package_is_named_with_how_to_get_it(faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(
        UserError, match=r"lmdb is not installed; pip install 'blurbench\[formats\]'"
    ):
        export(faces, "lmdb", tmp_path / "out")
    assert not (tmp_path / "out").exists()
