import numpy as np
import pytest
import torch
from tiny_data import face_recipe, write_faces, write_photos
from toy import Oracle

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import read_json, write_bytes
from blurbench.images import encode
from blurbench.inference.files import deblur_files
from blurbench.models.base import ModelConfig
from blurbench.runs.trained import TrainedModel
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, OracleRestorer
from blurbench.sources.open import open_source

BLUR = np.zeros((12, 16, 3), np.uint8)


def rows(*names):
    return [{"id": name, "blur_file_name": f"blur/{name}.png"} for name in names]


def save(path, level, shape=BLUR.shape):
    write_bytes(path, encode(np.full(shape, level, np.uint8)))


def test_pictures_are_paired_by_name_and_never_by_order(tmp_path):
    pairs = rows("b", "a", "c")
    for level, name in enumerate(["c", "b", "a"]):
        save(tmp_path / "deep" / f"{name}.png", level)
    folder = FolderRestorer(tmp_path)
    assert folder.prepare(pairs) == []
    assert [int(folder.restore(BLUR, row).image[0, 0, 0]) for row in pairs] == [1, 2, 0]


def test_the_name_of_the_blurred_file_will_do_where_only_one_row_has_it(tmp_path):
    pairs = [
        {"id": "street-0001", "blur_file_name": "street/0001.png"},
        {"id": "forest-0001", "blur_file_name": "forest/0001.png"},
        {"id": "forest-0002", "blur_file_name": "forest/0002.png"},
    ]
    save(tmp_path / "0001.png", 1)
    save(tmp_path / "0002.png", 2)
    save(tmp_path / "street-0001.png", 3)
    folder = FolderRestorer(tmp_path)
    assert folder.prepare(pairs) == [f"{tmp_path}: 0001.png could be of forest-0001, street-0001"]
    assert folder.restore(BLUR, pairs[0]).image[0, 0, 0] == 3
    assert folder.restore(BLUR, pairs[2]).image[0, 0, 0] == 2
    with pytest.raises(UserError, match="no picture named forest-0001"):
        folder.restore(BLUR, pairs[1])


def test_results_of_a_video_set_lie_in_folders_of_their_sequences(tmp_path):
    pairs = [
        {"id": f"{clip}-blur-{frame}-r00", "blur_file_name": f"test/{clip}/blur/{frame}.png"}
        for clip in ("GOPR0384_11_00", "GOPR0854_11_00")
        for frame in ("000001", "000002")
    ]
    for level, row in enumerate(pairs):
        _, clip, _, frame = row["blur_file_name"].split("/")
        save(tmp_path / clip / frame, level)
    save(tmp_path / "GOPR9999_11_00" / "000002.png", 99)
    folder = FolderRestorer(tmp_path)
    assert folder.prepare(pairs) == [
        f"{tmp_path}: GOPR9999_11_00/000002.png belongs to no pair",
        f"{tmp_path}: 4 files are named otherwise than their pairs, such as"
        " GOPR0384_11_00/000001.png, which is taken for GOPR0384_11_00-blur-000001-r00; look"
        " whether it is",
    ]
    assert [folder.restore(BLUR, row).image[0, 0, 0] for row in pairs] == [0, 1, 2, 3]


@pytest.mark.parametrize(("file", "id"), [("cat_face.png", "cat"), ("1_5.png", "1")])
def test_files_that_are_named_otherwise_than_their_pairs_are_told(tmp_path, file, id):
    save(tmp_path / file, 1)
    save(tmp_path / "dog.png", 2)
    told = FolderRestorer(tmp_path).prepare(rows(id, "dog"))
    assert told == [
        f"{tmp_path}: 1 file is named otherwise than its pair, such as {file}, which is taken for"
        f" {id}; look whether it is"
    ]
    (tmp_path / file).rename(tmp_path / f"{id}.png")
    assert FolderRestorer(tmp_path).prepare(rows(id, "dog")) == []


def test_missing_doubled_damaged_and_wrong_sizes_are_named(tmp_path):
    pairs = rows("fine", "missing", "double", "large", "text")
    save(tmp_path / "fine.png", 0)
    save(tmp_path / "double.png", 0)
    save(tmp_path / "double.webp", 0)
    save(tmp_path / "large.png", 0, (13, 16, 3))
    (tmp_path / "text.jpg").write_text("not a picture")
    folder = FolderRestorer(tmp_path)
    folder.prepare(pairs)
    assert folder.restore(BLUR, pairs[0]).image.shape == BLUR.shape
    for row, message in zip(
        pairs[1:],
        ["no picture named missing", r"double\.png, double\.webp", r"large\.png: 16x13", "text"],
        strict=True,
    ):
        with pytest.raises(UserError, match=message):
            folder.restore(BLUR, row)


def test_a_folder_that_belongs_to_another_set_is_refused(tmp_path):
    save(tmp_path / "unrelated.png", 0)
    with pytest.raises(UserError, match=r"name them like a\.png"):
        FolderRestorer(tmp_path).prepare(rows("a", "b"))


def test_files_that_belong_to_no_pair_are_told(tmp_path):
    for name in ("a", "x1", "x2", "x3", "x4"):
        save(tmp_path / f"{name}.png", 0)
    [note] = FolderRestorer(tmp_path).prepare(rows("a"))
    assert note.endswith("x1.png, x2.png, x3.png and 1 more belong to no pair")


def test_the_provenance_holds_what_the_paired_files_hold_and_nothing_else(tmp_path):
    def hash_now():
        folder = FolderRestorer(tmp_path)
        folder.prepare(rows("a", "b"))
        return folder.provenance["files_sha256"]

    save(tmp_path / "a.png", 0)
    first = hash_now()
    save(tmp_path / "extra.png", 0)
    assert hash_now() == first
    save(tmp_path / "a.png", 1)
    changed = hash_now()
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert len({first, changed, hash_now()}) == 3


def oracle(name, labels):
    """A run that restores with labels; it only notes which it was given."""
    model = Oracle(ModelConfig(steps=1, batch_size=1))
    model.restore_labels = labels
    run = TrainedModel(name, model, torch.device("cpu"), {"run": "r"})
    seen = []
    model.restore_labelled = lambda blur, labels: (seen.extend(labels), (blur, {}))[1]
    return OracleRestorer(name, run, run.provenance), seen


def test_an_oracle_restores_each_row_with_its_own_labels(tmp_path):
    source = open_source(str(write_faces(tmp_path / "faces", 4)), masks=True)
    synthesize(face_recipe(), source, tmp_path / "set")
    data = BlurDataset(tmp_path / "set", "train")
    restorer, seen = oracle("umsn", ("mask",))
    result = evaluate(data, tmp_path / "result", restore=restorer, name="umsn")
    assert "true mask of each picture: an oracle" in str(result)
    told = read_json(tmp_path / "result/summary.json")["provenance"]
    assert told == {"run": "r", "restores_with": ["mask"]}
    for row, labels in zip(data.rows, seen[1:], strict=True):  # the first was to warm up
        assert labels["id"] == row["id"]
        for part in range(4):
            wanted = data.picture(row, "mask") == part
            assert np.array_equal(labels["mask"][part].numpy(), wanted)


def test_an_oracle_refuses_pictures_without_its_labels(data_set, tmp_path):
    restorer, seen = oracle("s3e", ("captions",))
    for data in (open_data(data_set), open_data(write_photos(tmp_path / "photos", 2))):
        with pytest.raises(UserError, match="no captions of every picture, with which s3e"):
            evaluate(
                data, tmp_path / "result", restore=restorer, name="s3e", metrics=["blur-effect"]
            )
    assert not (tmp_path / "result").exists()
    assert not seen
    with pytest.raises(UserError, match="true captions"):
        restorer.run.restore(BLUR)
    with pytest.raises(UserError, match="true captions"):
        deblur_files(tmp_path / "photos", restorer.run, tmp_path / "out", tta=True, tile=16)
