"""Caption files of all formats, and the two commands that read them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from blurbench.__main__ import run
from blurbench.captions.files import Caption, by_image, read_captions, read_results
from blurbench.errors import UserError

COCO = {
    "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [
        {"id": 5, "image_id": 1, "caption": "A dog  on\na bed."},
        {"id": 6, "image_id": 1, "caption": "A bed"},
        {"id": 7, "image_id": 2, "caption": "A cat sits on a car"},
    ],
}
KARPATHY = {
    "images": [
        {"cocoid": 1, "filename": "a.jpg", "split": "restval", "sentences": [{"raw": "A dog"}]},
        {"imgid": 2, "filename": "b.jpg", "split": "test", "sentences": [{"raw": "A cat"}]},
    ]
}


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_formats(tmp_path: Path) -> None:
    coco = read_captions(write(tmp_path, "coco.json", COCO))
    assert coco[0] == Caption("1", "A dog on a bed.")
    assert by_image(coco) == {"1": ["A dog on a bed.", "A bed"], "2": ["A cat sits on a car"]}
    karpathy = read_captions(write(tmp_path, "dataset_coco.json", KARPATHY))
    assert karpathy == [Caption("1", "A dog", "train"), Caption("2", "A cat", "test")]
    plain = read_captions(write(tmp_path, "plain.json", {"x": ["A dog", "A bed"], "y": "A cat"}))
    assert by_image(plain) == {"x": ["A dog", "A bed"], "y": ["A cat"]}
    table = 'image,caption,split\nx.jpg,"A dog, a bed",val\nx.jpg,A bed,\n'
    assert read_captions(write(tmp_path, "captions.csv", table)) == [
        Caption("x.jpg", "A dog, a bed", "val"),
        Caption("x.jpg", "A bed"),
    ]


def test_results(tmp_path: Path) -> None:
    results = write(tmp_path, "results.json", [{"image_id": 1, "caption": "A dog"}])
    assert read_results(results) == {"1": "A dog"}
    with pytest.raises(UserError, match="image 1 has 2 captions"):
        read_results(write(tmp_path, "coco.json", COCO))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.json", "3", r"the whole: should be a valid dictionary \(is 3\); wanted: COCO"),
        ("a.json", "[]", "no captions"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.json", [{"image_id": 1}], "lacks the field 0.caption"),
        (
            "a.json",
            [{"image_id": 7, "caption": None}],
            r"0.caption: should be a valid string \(is None\)",
        ),
        ("a.json", '{"x": ["a dog", NaN]}', "not valid JSON .NaN"),
        ("a.json", {"x": None}, "x.str: should be a valid string"),
        ("a.json", {"images": [{"id": 1}]}, "lacks the field images.0.split"),
        ("a.csv", "file,text\n1,a\n", "needs the columns image and caption; wanted"),
        ("a.csv", 'image,caption\n1,"a dog\n', "not a CSV file"),
        ("a.csv", "image,caption\n1,a dog, a bed\n", "line 2 does not fit"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(UserError, match=message) as error:
        read_captions(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_captions(tmp_path / "missing.json")


def test_half_an_emoji_is_printed_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(tmp_path, "a.json", '{"1": ["a \\ud83d dog"], "2": ["a cat"]}'))
    assert run(["captions", "trees", path]) == 0
    assert capsys.readouterr().out.startswith("1\ta ? dog\tdog")
    assert run(["captions", "score", path, path, "--metrics", "bleu, rouge"]) == 0


def test_the_command_trees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path, "coco.json", COCO))
    kept = tmp_path / "vocabulary.json"
    assert run(["captions", "trees", path, "--vocabulary", str(kept)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1\tA dog on a bed.\tdog\t-\t-\ton\tbed\t-\t-"
    assert lines[4] == "3 captions of 2 images, parser rules-1"
    assert json.loads(kept.read_text())["entities"] == ["bed", "car", "cat", "dog"]
    assert run(["captions", "trees", path, "--json", "--entities", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trees"][1]["tree"] == ["bed", *[None] * 6]
    assert told["statistics"]["entities"]["in_vocabulary"] == 1
    assert run(["captions", "trees", path, "--draw"]) == 0
    assert "┴" in capsys.readouterr().out


def test_no_vocabulary_without_training_captions(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", "image,caption,split\n1,a dog,test\n"))
    assert run(["captions", "trees", path]) == 0
    assert run(["captions", "trees", path, "--vocabulary", str(tmp_path / "v.json")]) == 2
    assert not (tmp_path / "v.json").exists()


@pytest.mark.usefixtures("no_java")
def test_the_command_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = str(write(tmp_path, "coco.json", COCO))
    captions = [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "a cat"}]
    results = str(write(tmp_path, "results.json", captions))
    assert run(["captions", "score", results, references]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[4].startswith("METEOR   n/a (no Java")
    assert table[8] == "2 images; words by tokenizer python"
    assert run(["captions", "score", results, references, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 2
    assert told["scores"]["SPICE"] is None
    assert [row["image"] for row in told["rows"]] == ["1", "2"]
    assert run(["captions", "score", results, references, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["METEOR"] == "n/a"
    assert float(rows[0]["ROUGE-L"]) > 0


def test_a_caption_of_an_unknown_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = str(write(tmp_path, "coco.json", COCO))
    results = str(write(tmp_path, "results.json", {"9": "a dog"}))
    assert run(["captions", "score", results, references]) == 2
    error = capsys.readouterr().err
    assert "results.json: image 9 is not in" in error
    assert error.count("\n") == 1


def test_an_image_that_karpathy_s_list_does_not_name_is_told(tmp_path):
    images = [{"split": "test", "sentences": [{"raw": "A dog"}]}]
    path = write(tmp_path, "dataset_coco.json", json.dumps({"images": images}))
    with pytest.raises(UserError, match=r"dataset_coco\.json: an image has none of cocoid"):
        read_captions(path)
