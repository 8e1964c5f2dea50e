"""A folder and a URL hold the same files under the same names."""

import pickle
import sys

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.stores.folder import Folder
from blurbench.stores.open import is_url, lies_in, open_store
from blurbench.stores.remote import Remote, RemoteBatch


@pytest.fixture(params=["folder", "file", "memory"])
def store(request, tmp_path):
    places = {
        "folder": tmp_path / "set",
        "file": f"file://{tmp_path}/set",
        "memory": f"memory://{tmp_path}/set",
    }
    return open_store(places[request.param])


def put_many(batch, count):
    for number in range(count):
        batch.put(f"a/{number}", bytes([number]))


def test_what_is_a_url():
    assert is_url("s3://bucket/set")
    assert is_url("file:///data")
    assert not is_url("/data")
    assert not is_url("builtin:photos")
    assert isinstance(open_store("data/set"), Folder)
    assert isinstance(open_store("file:///data/set"), Remote)


def test_files_come_back_as_they_were_written(store):
    assert not store.exists()
    assert not store.is_file("a/b.bin")
    assert store.names() == []
    store.write("a/b.bin", b"\0one")
    store.write("a/b.bin", b"\0two")
    store.write_json("c.json", {"é": 1})
    digest = store.write_rows("a/rows.jsonl", [{"x": 1}, {"x": "é"}])
    assert digest == store.write_lines("a/same.jsonl", [b'{"x": 1}\n', '{"x": "é"}\n'.encode()])
    assert digest == sha256(store.read("a/same.jsonl"))
    store.remove("a/same.jsonl")
    assert store.read("a/b.bin") == b"\0two"
    assert store.read("c.json").decode() == '{\n  "é": 1\n}\n'
    with store.open("a/rows.jsonl") as file:
        assert [line.decode() for line in file] == ['{"x": 1}\n', '{"x": "é"}\n']
    assert store.names() == ["a/b.bin", "a/rows.jsonl", "c.json"]
    assert store.names("a") == ["a/b.bin", "a/rows.jsonl"]
    assert store.top() == {"a", "c.json"}
    assert store.exists()
    assert store.exists("a")
    assert not store.exists("ab")
    assert store.is_file("a/b.bin")
    assert not store.is_file("a")
    size_of = store.sizes()
    assert size_of("c.json") == len(store.read("c.json"))
    assert size_of("a") is size_of("none") is size_of("c.json/d") is None


def test_what_is_missing_is_a_missing_file(store):
    with pytest.raises(FileNotFoundError) as caught:
        store.read("none.png")
    assert caught.value.strerror == "No such file or directory"
    assert caught.value.filename == store.where("none.png")
    store.remove("none.png")


def test_a_batch_is_there_once_it_is_sealed(store):
    batch = store.batch()
    put_many(batch, 40)
    batch.seal("b", b"40")
    assert len(store.names("a")) == 40
    assert store.read("a/39") == bytes([39])
    put_many(batch, 50)
    batch.seal("b", b"50")
    assert (len(store.names("a")), store.read("b")) == (50, b"50")


def test_names_with_brackets_are_no_patterns(store):
    for name in ("[ab].bin", "a.bin", "x/[ab]/c.bin", "x/a/c.bin", "*.bin"):
        store.write(name, name.encode())
    store.remove("[ab].bin")
    store.remove("*.bin")
    store.clear("x/[ab]")
    assert store.names() == ["a.bin", "x/a/c.bin"]
    assert store.read("x/a/c.bin") == b"x/a/c.bin"


def test_nothing_is_left_of_a_folder_that_is_cleared(store):
    for name in ("w/plan.json", "w/shards/1.jsonl", "w/shards/2.jsonl", "keep.png"):
        store.write(name, b"")
    store.clear("w")
    assert store.top() == {"keep.png"}
    assert not store.exists("w")


def test_files_are_fetched_once(store, tmp_path):
    store.write("a/x.jsonl", b"before")
    (path,) = store.fetch(["a/x.jsonl"], tmp_path)
    assert path.read_bytes() == b"before"
    assert store.fetch(["a/x.jsonl"], tmp_path) == [path]
    assert store.fetch([], tmp_path) == []


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "b/../../a", ".."])
def test_names_from_files_cannot_leave_their_folder(store, name):
    with pytest.raises(UserError, match="out of this folder"):
        store.inside("train", name)
    assert store.inside("train", "blur/a.png") == "train/blur/a.png"
    assert store.inside("", "train") == "train"


def test_sizes_are_told_of_nothing_outside_of_the_folder(tmp_path):
    (tmp_path / "secret").write_text("12345")
    (tmp_path / "set" / "train").mkdir(parents=True)
    (tmp_path / "set" / "out").symlink_to(tmp_path)
    (tmp_path / "set" / "train" / "a.png").symlink_to(tmp_path / "secret")
    (tmp_path / "set" / "train" / "b.png").symlink_to(tmp_path / "set" / "c.png")
    (tmp_path / "set" / "c.png").write_text("1")
    size_of = Folder(tmp_path / "set").sizes()
    for name in ("../secret", "train/../../secret", "out/secret", "train/a.png", "/etc/passwd"):
        with pytest.raises(UserError, match="out of this folder"):
            size_of(name)
    assert size_of("train/b.png") == 1
    # Pictures that are indexed where the user keeps them may be links to anywhere.
    size_of = Folder(tmp_path / "set", links=True).sizes()
    assert size_of("train/a.png") == size_of("out/secret") == 5
    with pytest.raises(UserError, match="out of this folder"):
        size_of("../secret")


def test_stores_travel_to_other_processes(store):
    store.write("a", b"there")
    assert pickle.loads(pickle.dumps(store.absolute())).read("a") == b"there"


@pytest.mark.parametrize(
    ("inner", "outer", "inside"),
    [
        ("s3://b/set/made", "s3://b/set", True),
        ("s3://b/set/", "s3://b/set", True),
        ("s3://b/other/../set/made", "s3://b/set", True),
        ("s3://b/set2", "s3://b/set", False),
        ("s3://b/set", "gs://b/set", False),
        ("s3://b/set", "/", False),
        ("/data/set/made", "file:///data/set", True),
        ("file:///data/set/made", "/data/set", True),
        ("/data/set", "/data/set/made", False),
    ],
)
def test_what_lies_in_what(inner, outer, inside):
    assert lies_in(inner, outer) == inside


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gs://bucket/set", "gs://bucket/set: .*gcsfs.*; pip install that"),
        ("nosuch://bucket/set", "Protocol not known: nosuch; check the address"),
        ("nosuch://me:secret@host/set", r"nosuch://me:\*\*\*@host/set/x: Protocol"),
    ],
)
def test_urls_that_nothing_can_read_are_told_in_one_line(url, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=words) as caught:
        open_store(url).read("x")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_batch_tells_what_could_not_be_written_however_early():
    written = []

    def write(name, _):
        if name == "a/3":
            raise UserError("a/3: Access Denied")
        written.append(name)

    batch = RemoteBatch(write, threads=4)
    with pytest.raises(UserError, match="Access Denied"):
        put_many(batch, 100)
    assert len(written) < 40
    with pytest.raises(UserError, match="Access Denied"):
        batch.seal("b", b"")
    assert "b" not in written


class NoBucket(MemoryFileSystem):
    """As S3: paths begin with the name of a bucket, which makedirs would make."""

    protocol = "nobucket"
    makedirs = None

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("nobucket://").rstrip("/")

    def pipe_file(self, path, value, mode="overwrite", **_):
        raise FileNotFoundError("The specified bucket does not exist", path, value, mode)


def test_a_bucket_that_is_not_there_is_told_and_never_made():
    fsspec.register_implementation("nobucket", NoBucket, clobber=True)
    with pytest.raises(UserError, match="nobucket://b/set: no such bucket or folder; make it"):
        open_store("nobucket://b/set").write("x", b"")
