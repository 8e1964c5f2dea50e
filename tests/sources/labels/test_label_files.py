import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.errors import UserError
from blurbench.sources.labels.files import LabelFiles, match, read_table
from blurbench.stores.folder import Folder


def test_names_mean_pictures_by_path_end_of_path_or_file_name():
    ids = ["a.png", "x/a.png", "x/b.png", "deep/y/b.png", "z/c.png"]
    matches = match(["a.png", "x\\a.png", "./y/b.png", "c.png", "missing.png"], ids)
    assert matches.ids == {
        "a.png": "a.png",
        "x\\a.png": "x/a.png",
        "./y/b.png": "deep/y/b.png",
        "c.png": "z/c.png",
    }
    assert matches.unclear == {}


def test_name_of_two_pictures_means_neither():
    matches = match(["a.png"], ["x/a.png", "y/a.png"])
    assert matches.ids == {}
    assert set(matches.unclear) == {"x/a.png", "y/a.png"}
    assert matches.unclear["y/a.png"] == "a.png could mean x/a.png or y/a.png"


def test_names_as_macos_and_urls_write_them():
    apart = "cafe\u0301.png"
    assert match(["caf\u00e9.png"], [apart]).ids == {"caf\u00e9.png": apart}
    assert match(["my%20cat.png"], ["my cat.png"]).ids == {"my%20cat.png": "my cat.png"}
    both = ["a%20b.png", "a b.png"]
    assert match(["a%20b.png"], both).ids == {"a%20b.png": "a%20b.png"}
    assert match(both, both).ids == {name: name for name in both}


def test_two_names_of_one_picture_in_other_folders_mean_nothing():
    matches = match(["old/a.png", "new/a.png"], ["images/a.png"])
    assert matches.ids == {}
    assert "old/a.png or new/a.png" in matches.unclear["images/a.png"]
    # One of them alone is clear enough, and one that is in its folder is beyond doubt.
    assert match(["val2014/a.png"], ["a.png"]).ids == {"val2014/a.png": "a.png"}
    assert match(["old/a.png", "images/a.png"], ["images/a.png"]).ids == {
        "images/a.png": "images/a.png"
    }


NAMES = st.sampled_from(["a.png", "b.png", "x/a.png", "y/a.png", "x/y/a.png", "y/b.png"])


@settings(deadline=None)
@given(st.lists(NAMES, unique=True), st.lists(NAMES, unique=True))
def test_no_name_means_a_picture_of_another_file_name(names, ids):
    matches = match(names, ids)
    for name, id in matches.ids.items():
        assert id in ids
        assert id.split("/")[-1] == name.split("/")[-1]
        assert id == name or name not in ids
    # Without folders in the way, a path that is there is always found.
    assert all(matches.ids[name] == name for name in names if name in ids)


def rows_of(tmp_path, data: bytes):
    (tmp_path / "t.csv").write_bytes(data)
    return list(read_table(LabelFiles(["t.csv"], Folder(tmp_path)), "t.csv").rows)


def test_tables_are_read_as_spreadsheets_write_them(tmp_path):
    data = '\ufeffImage, Caption\r\na.png,"A man, a dog"\r\nb.png,"two\nlines"\r\n'.encode()
    assert rows_of(tmp_path, data) == [
        (2, {"image": "a.png", "caption": "A man, a dog"}),
        (4, {"image": "b.png", "caption": "two\nlines"}),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"image,caption\na.png,A man, a dog\n", "t.csv: line 2 does not fit the header"),
        (b"image,caption\na.png\n", "t.csv: line 2 does not fit the header"),
        (b'image,caption\na.png,"A man\n', "t.csv: not a CSV file"),
        (b"image,caption\na.png,caf\xe9\n", "t.csv: not text in UTF-8"),
    ],
)
def test_broken_table_is_one_line(tmp_path, data, message):
    with pytest.raises(UserError) as error:
        rows_of(tmp_path, data)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^gone\.csv: cannot be read"):
        LabelFiles([], Folder(tmp_path)).read("gone.csv")


def test_linked_files_are_read(tmp_path):
    (tmp_path / "elsewhere.csv").write_text("file,shot\na.jpg,CU\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "shots.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert LabelFiles([], Folder(tmp_path / "in")).read("shots.csv").startswith(b"file,shot")
