import json
from pathlib import Path

import pytest
import tiny_data

from blurbench.datasets.splits import choose
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.sources.open import open_for, open_source

RECIPE = tiny_data.flow_recipe(captions__count=2)


def coco(*annotations: tuple[int, str, str]) -> dict:
    """A document of (annotation id, file name, caption)."""
    names = sorted({name for _, name, _ in annotations})
    return {
        "images": [{"id": names.index(name), "file_name": name} for name in names],
        "annotations": [
            {"id": id, "image_id": names.index(name), "caption": text}
            for id, name, text in annotations
        ],
    }


def karpathy(*images: tuple[str, str, str, list[tuple[int, str]]]) -> dict:
    """A document of (folder, file name, split, (number, sentence)s)."""
    return {
        "dataset": "coco",
        "images": [
            {
                "filepath": folder,
                "filename": name,
                "split": split,
                "sentences": [{"sentid": id, "raw": text} for id, text in sentences],
            }
            for folder, name, split, sentences in images
        ],
    }


def write(root: Path, files: dict[str, object]) -> str:
    """Pictures (None) and documents or texts; gives the root as a source."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text("" if content is None else text)
    return str(root)


def captions(source) -> dict[str, list[str] | None]:
    return {item.id: item.labels.get("captions") for item in source.items}


PAIR = coco((2, "a.jpg", "second"), (1, "a.jpg", " first\n of  all "), (9, "a.jpg", "third"))


@pytest.mark.parametrize("name", ["captions_val2017.json", "annotations/any.json"])
def test_captions_of_coco_in_the_order_of_their_numbers(tmp_path, name, capsys):
    spec = write(tmp_path, {"val2017/a.jpg": None, name: PAIR})
    source = open_for(RECIPE, spec)
    assert captions(source) == {"val2017/a.jpg": ["first of all", "second"]}
    assert source.description["caption_files"] == name
    assert source.description["captioned"] == "1"
    assert capsys.readouterr().out == ""


def test_files_merge_and_a_number_counts_once(tmp_path):
    files = {
        "images/a.jpg": None,
        "images/b.jpg": None,
        "captions_1.json": coco((1, "a.jpg", "one"), (5, "b.jpg", "five")),
        "captions_2.json": coco((1, "a.jpg", "one"), (2, "a.jpg", "two")),
        # Numbered from 1 again, but of another picture.
        "captions_3.json": coco((1, "b.jpg", "one of b")),
    }
    assert captions(open_for(RECIPE, write(tmp_path, files))) == {
        "images/a.jpg": ["one", "two"],
        "images/b.jpg": ["one of b", "five"],
    }


def test_split_of_karpathy_wins_over_hash_and_folder(tmp_path):
    texts = [(1, "one"), (2, "two")]
    names = {split: f"{split}.jpg" for split in ("train", "restval", "val", "test")}
    files: dict[str, object] = {f"val2014/{name}": None for name in names.values()}
    files["dataset_coco.json"] = karpathy(
        *(("val2014", name, split, texts) for split, name in names.items())
    )
    source = open_for(RECIPE, write(tmp_path / "a", files))
    told = {item.id: split for item, split in choose(RECIPE, source)}
    assert told == {
        "val2014/train.jpg": "train",
        "val2014/restval.jpg": "train",
        "val2014/val.jpg": "val",
        "val2014/test.jpg": "test",
    }
    files = {"val/a.jpg": None, "dataset_coco.json": karpathy(("val2014", "a.jpg", "test", texts))}
    (item,) = open_for(RECIPE, write(tmp_path / "b", files)).items
    assert item.split == "test"


def test_numbers_as_pandas_writes_them_and_tables_with_tabs(tmp_path):
    document = coco((1, "a.jpg", "one"), (2, "a.jpg", "two"))
    text = json.dumps(document).replace('"id": 1,', '"id": 1.0,').replace('_id": 0', '_id": 0.0')
    assert text != json.dumps(document)
    source = open_for(RECIPE, write(tmp_path / "a", {"a.jpg": None, "captions.json": text}))
    assert captions(source) == {"a.jpg": ["one", "two"]}
    table = "image\tcaption\na.jpg\tone, or so\na.jpg\ttwo\n"
    source = open_for(RECIPE, write(tmp_path / "b", {"a.jpg": None, "captions.tsv": table}))
    assert captions(source) == {"a.jpg": ["one, or so", "two"]}


def test_captions_of_other_kinds_are_told(tmp_path):
    source = open_for(RECIPE, write(tmp_path, {"a.jpg": None, "annotations/captions.jsonl": "{}"}))
    (told,) = source.lacks
    assert told.startswith(
        "made without captions: annotations/captions.jsonl is of a kind that is not read, looked"
    )


def test_sentences_that_are_left_out_are_told(tmp_path):
    orphan = coco((1, "a.jpg", "one"), (2, "a.jpg", "two"))
    orphan["annotations"].append({"id": 7, "image_id": 99, "caption": "of no image"})
    other = coco((2, "a.jpg", "another two"))
    files = {"a.jpg": None, "captions_1.json": orphan, "captions_2.json": other}
    source = open_for(RECIPE, write(tmp_path, files))
    assert captions(source) == {"a.jpg": ["one", "two"]}
    assert source.lacks == [
        "1 caption whose number another one of the same picture has, left out "
        "(first: captions_2.json: 2 of a.jpg); "
        "1 caption of images that their file does not list, left out (first: captions_1.json: 7)"
    ]


def test_karpathy_and_coco_count_a_sentence_once(tmp_path):
    recipe = tiny_data.flow_recipe(captions__count=3)
    files = {
        "a.jpg": None,
        "dataset_coco.json": karpathy(("val2014", "a.jpg", "test", [(1, "one"), (9, "nine")])),
        "captions_val2014.json": coco((9, "a.jpg", "nine"), (3, "a.jpg", "three")),
    }
    assert captions(open_for(recipe, write(tmp_path, files))) == {"a.jpg": ["one", "three", "nine"]}


def test_table_has_captions_and_splits(tmp_path):
    table = (
        'image,caption,split\nx/a.jpg,"A man, a dog",val\nx/a.jpg,two,val\nb.jpg,one,\nb.jpg,2,\n'
    )
    files = {"x/a.jpg": None, "y/b.jpg": None, "captions.csv": table}
    source = open_for(RECIPE, write(tmp_path, files))
    assert captions(source) == {"x/a.jpg": ["A man, a dog", "two"], "y/b.jpg": ["one", "2"]}
    assert [item.split for item in source.items] == ["val", None]


def test_table_cannot_put_one_clip_into_two_splits(tmp_path):
    recipe = tiny_data.flow_recipe(labels=["shot_type"], captions__count=1)
    table = "image,caption,split\nhall-1.jpg,one,train\nhall-2.jpg,two,test\n"
    files = {"CU/hall-1.jpg": None, "MS/hall-2.jpg": None, "captions.csv": table}
    source = open_for(recipe, write(tmp_path, files))
    with pytest.raises(UserError, match="both are of 'hall'"):
        choose(recipe, source)


def test_too_few_captions_fail_when_loaded(tmp_path):
    files = {
        "few.jpg": None,
        "none.jpg": None,
        "captions.json": coco((1, "few.jpg", "one"), (2, "few.jpg", " \n ")),
    }
    source = open_for(RECIPE, write(tmp_path, files))
    assert source.description["captioned"] == "0"
    for item, count in zip(source.items, (1, 0), strict=True):
        with pytest.raises(BadImage) as error:
            item.load()
        assert str(error.value) == f"{item.id}: {count} captions, 2 are needed (captions.json)"


@pytest.mark.parametrize("id", ["184613", "000000184613", 184613])
def test_ids_are_numbers_or_texts_of_them(tmp_path, id):
    document = coco((2, "a.jpg", "second"), (1, "a.jpg", "first"))
    document["images"][0]["id"] = 184613
    for annotation in document["annotations"]:
        annotation["image_id"] = id
    source = open_for(RECIPE, write(tmp_path, {"a.jpg": None, "captions.json": document}))
    assert captions(source) == {"a.jpg": ["first", "second"]}


def test_files_put_together_have_numbers_twice(tmp_path):
    both = [(1, "a.jpg", "a 1"), (2, "a.jpg", "a 2"), (1, "b.jpg", "b 1"), (2, "b.jpg", "b 2")]
    files = {"a.jpg": None, "b.jpg": None, "captions.json": coco(*both, both[0])}
    source = open_for(RECIPE, write(tmp_path / "1", files))
    assert captions(source) == {"a.jpg": ["a 1", "a 2"], "b.jpg": ["b 1", "b 2"]}
    files["captions.json"] = coco(*both, (2, "b.jpg", "another"))
    with pytest.raises(UserError, match=r"captions.json: annotation 2 of b.jpg is there twice"):
        open_for(RECIPE, write(tmp_path / "2", files))
    document = coco(*both)
    document["images"][1]["id"] = document["images"][0]["id"]
    files["captions.json"] = document
    with pytest.raises(UserError, match=r"image 0 is a.jpg and b.jpg; give each its own id"):
        open_for(RECIPE, write(tmp_path / "3", files))


def test_source_without_captions_goes_without_unless_they_are_required(tmp_path):
    # Lists are what captioners wrote; the others have no captions, or of other pictures.
    files = {
        "a.jpg": None,
        "results.json": [{"image_id": 1, "caption": "a a a"}],
        "captions_results.json": [{"image_id": 1, "caption": "a a a"}],
        "instances.json": {"images": [], "annotations": [{"id": 1, "image_id": 2}]},
        "captions_other.json": coco((1, "other.jpg", "one")),
        "broken.json": "{",
        "deep/captions.json": PAIR,
    }
    spec = write(tmp_path, files)
    source = open_for(RECIPE, spec)
    assert captions(source) == {"a.jpg": None}
    assert source.description["caption_files"] == "none"
    told = "captions_other.json names none of these pictures (it has other.jpg, here is a.jpg)"
    assert source.lacks == [f"made without captions: {told}"]
    required = tiny_data.flow_recipe(captions={"count": 2, "required": True})
    with pytest.raises(UserError, match="no captions of these pictures here; captions_other"):
        open_for(required, spec)
    empty = write(tmp_path / ".empty", {"a.jpg": None})
    with pytest.raises(UserError, match="no captions of these pictures here; looked for dataset_"):
        open_for(required, empty)
    with pytest.raises(UserError, match="builtin:procedural-faces: has no captions"):
        open_for(required, "builtin:procedural-faces")
    assert captions(open_source(spec)) == {"a.jpg": None}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions_a.json", '{"annotations": [', "not valid JSON"),
        ("annotations/captions_a.json", '{"annotations": [{"id": 1, "caption": "x"}]}', "image_id"),
        ("captions_a.json", coco((1, "a.jpg", None)), "annotations.0.caption: should be"),
        ("captions_a.json", {"images": 3, "annotations": []}, "images: should be a valid"),
        ("dataset_coco.json", karpathy(("", "a.jpg", "dev", [(1, "x")])), "no split 'dev'"),
        (
            "dataset_coco.json",
            {"images": [{"sentences": []}]},
            "lacks the field images.0.filename; wanted: COCO",
        ),
        ("captions_a.json", {"images": [7], "annotations": []}, "images.0: should be a valid dict"),
        (
            "captions_a.json",
            {"images": [{"id": 1, "file_name": ["a"]}]},
            "images.0.file_name: should be a valid str",
        ),
        ("dataset_coco.json", karpathy(("", "a.jpg", "val", [(1e999, "x")])), "no number"),
        ("dataset_coco.json", karpathy(("", "a.jpg", "val", [("x", "x")])), "sentid: should be"),
        ("captions.csv", "image,caption,image\na.jpg,x,y\n", "two columns called 'image'"),
        ("captions.csv", "image,caption\na.jpg,x\0\n", "holds NUL"),
        ("captions.csv", "file,text\na.jpg,x\n", "needs the columns image and caption"),
        ("captions.csv", "image,caption,split\na.jpg,x,dev\n", "line 2: no split 'dev'"),
    ],
)
def test_broken_file_is_one_line_that_names_it(tmp_path, name, content, message):
    spec = write(tmp_path, {"a.jpg": None, name: content})
    with pytest.raises(UserError) as error:
        open_for(RECIPE, spec)
    assert str(error.value).startswith(f"{name}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_half_an_emoji_is_a_question_mark_and_a_whole_one_stays(tmp_path):
    texts = coco((1, "a.jpg", "one \ud83d"), (2, "a.jpg", "\ude00 two \U0001f600 \\ud83d"))
    (item,) = open_for(RECIPE, write(tmp_path, {"a.jpg": None, "captions.json": texts})).items
    assert item.labels["captions"] == ["one ?", "? two \U0001f600 \\ud83d"]


def test_picture_listed_in_two_splits_is_refused(tmp_path):
    twice = [("x", "a.jpg", split, [(1, "one"), (2, "two")]) for split in ("train", "test")]
    spec = write(tmp_path, {"x/a.jpg": None, "dataset_coco.json": karpathy(*twice)})
    with pytest.raises(UserError, match=r"^dataset_coco.json: x/a.jpg is listed in train and in t"):
        open_for(RECIPE, spec)


def test_one_list_of_captions_never_serves_two_pictures(tmp_path):
    files = {"train/a.jpg": None, "test/a.jpg": None}
    unclear = {**files, "captions.json": coco((1, "a.jpg", "one"), (2, "a.jpg", "two"))}
    source = open_for(RECIPE, write(tmp_path / "unclear", unclear))
    for item in source.items:
        assert item.labels == {}
        with pytest.raises(BadImage, match=r"a\.jpg could mean test/a\.jpg or train/a\.jpg"):
            item.load()
    names = ["train/a.jpg"] * 2 + ["test/a.jpg"] * 2
    told = coco(*((n, name, str(n)) for n, name in enumerate(names)))
    source = open_for(RECIPE, write(tmp_path / "told", {**files, "captions.json": told}))
    assert captions(source) == {"train/a.jpg": ["0", "1"], "test/a.jpg": ["2", "3"]}


def test_other_captions_are_another_source(tmp_path):
    files = {"a.jpg": None, "captions.csv": "image,caption\na.jpg,one\na.jpg,two\n"}
    spec = write(tmp_path, files)
    before = open_for(RECIPE, spec).description
    assert open_for(RECIPE, spec).description == before
    write(tmp_path, {"captions.csv": "image,caption\na.jpg,one\na.jpg,other\n"})
    assert open_for(RECIPE, spec).description["labels_sha256"] != before["labels_sha256"]


def test_real_captions(shared):
    recipe = tiny_data.flow_recipe(captions__count=5)
    source = open_for(recipe, str(shared / "data" / "coco"))
    assert len(source.items) == 70
    assert all(len(item.labels["captions"]) == 5 for item in source.items)
    assert "captions_images_val2017.json" in source.description["caption_files"]
    assert "results" not in source.description["caption_files"]
    assert source.items[0].load().labels == source.items[0].labels
