"""What synthesize refuses, and what it says beforehand."""

import json
import shutil
from pathlib import Path

import pytest
import tiny_data

from blurbench.datasets import make
from blurbench.datasets.find_pairs import FoundPair
from blurbench.datasets.journal import PLAN, write_record
from blurbench.datasets.make import plan, synthesize
from blurbench.datasets.records import failed_entry
from blurbench.datasets.verify import verify
from blurbench.errors import UserError
from blurbench.sources.open import Source, open_for, open_source
from blurbench.stores.folder import Folder

RECIPE = tiny_data.flow_recipe()
REPLICAS = tiny_data.flow_recipe(replicas__train=2, splits={"train": 1, "val": 0, "test": 0})
SHOTS = tiny_data.flow_recipe(labels=["shot_type"])
COUNT = tiny_data.PHOTOS


@pytest.mark.parametrize("text", ["", '{"format": 1', "[]", "{}", "\ud800"])
def test_a_damaged_description_names_the_mend(whole, photos, tmp_path, text):
    shutil.copytree(whole.out, tmp_path / "out")
    (tmp_path / "out" / "dataset.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(UserError, match=r"dataset.json: .*; make the data set again, in another"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": []}'])
def test_a_damaged_plan_names_the_mend(photos, tmp_path, text):
    plan_file = tmp_path / "out" / ".blurbench" / "plan.json"
    plan_file.parent.mkdir(parents=True)
    plan_file.write_text(text)
    with pytest.raises(UserError, match=r"out.*; make the data set again, in another folder"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")


@pytest.mark.parametrize(
    ("recipe", "how", "words"),
    [
        (RECIPE, {"seed": 1}, "was made with seed 0, not 1"),
        (RECIPE, {"limit": 3}, "was made with limit None, not 3"),
        (RECIPE, {"image_format": "webp"}, "was made with image_format png, not webp"),
        (tiny_data.flow_recipe(noise__sigma=0.1), {}, "another recipe"),
    ],
)
def test_another_request_is_refused(whole, photos, recipe, how, words):
    with pytest.raises(UserError, match=words):
        synthesize(recipe, open_source(str(photos)), whole.out, **how)


def test_other_images_are_refused(whole, tmp_path):
    more = open_source(str(tiny_data.write_photos(tmp_path / "in", COUNT + 1)))
    with pytest.raises(UserError, match=r"another list of images \(12 then, 13 now\)"):
        synthesize(RECIPE, more, whole.out)


def shots(folder: Path, clips: str, shot: str = "CU") -> Source:
    """Eight stills in two clips, as a table tells."""
    tiny_data.write_photos(folder, 8)
    rows = [f"{n:03d}.png,{shot},{clip}" for n, clip in enumerate(clips)]
    (folder / "shots.csv").write_text("\n".join(["file,shot,clip", *rows]))
    return open_for(SHOTS, str(folder))


def contents(folder: Path) -> dict[str, bytes]:
    """Everything written below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("unfinished", [False, True])
def test_changed_labels_are_refused(tmp_path, unfinished):
    out = tmp_path / "out"
    synthesize(SHOTS, shots(tmp_path / "in", "aaaaeeee"), out)
    if unfinished:
        (out / ".blurbench").mkdir()
        next(out.glob("*/blur/*.png")).unlink()
    before = contents(out)
    with pytest.raises(UserError, match=r"or they were in other splits or groups; give"):
        synthesize(SHOTS, shots(tmp_path / "in", "eaaaaeee"), out)
    with pytest.raises(UserError, match=r"out: the labels were changed since; give another --out"):
        synthesize(SHOTS, shots(tmp_path / "in", "aaaaeeee", "MS"), out)
    assert contents(out) == before
    synthesize(SHOTS, shots(tmp_path / "in", "aaaaeeee"), out)
    assert verify(out) == []


def test_rows_of_another_set_are_left_out(whole, photos, tmp_path):
    shutil.copytree(whole.out, tmp_path / "out")
    names = [tmp_path / "out" / split / "metadata.jsonl" for split in ("train", "test")]
    (pictures := tmp_path / "out" / "test").mkdir(exist_ok=True)
    line = names[0].read_text().splitlines(keepends=True)[0]
    for kind in ("blur", "sharp"):
        name = json.loads(line)[f"{kind}_file_name"]
        shutil.copy(tmp_path / "out" / "train" / name, pictures / name)
    own = names[1].read_text()
    names[1].write_text(own + line)
    again = synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    assert (again.made, again.digest, names[1].read_text()) == (0, whole.digest, own)


def test_records_of_another_set_are_refused(photos, tmp_path):
    store, source = Folder(tmp_path / "out"), open_source(str(photos))
    store.write_json(PLAN, make._request(RECIPE, source, 0, None, "png"))
    write_record(store, [failed_entry(FoundPair("train", "a.png", "b.png"), "damaged")])
    with pytest.raises(UserError, match=r"out: holds pairs of another data set; give another"):
        synthesize(RECIPE, source, tmp_path / "out")


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A source of two pictures, and a set of it that was stopped when half was made."""
    source = open_source(str(tiny_data.write_photos(tmp_path / "in", 2)))
    write = make._write

    def stop(making, task, pair, batch):
        if task.source_id == "001.png" and task.replica:
            raise KeyboardInterrupt
        return write(making, task, pair, batch)

    with monkeypatch.context() as patched:
        patched.setattr(make, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            synthesize(REPLICAS, source, tmp_path / "out")
    return source, tmp_path / "out"


def replace_first(source):
    first, second = (item.path for item in source.items)
    shutil.copy(second, first.with_name("new")).replace(first)


def test_what_was_made_of_a_picture_that_changed_is_made_again(stopped, tmp_path, capsys):
    source, out = stopped
    shard = next((out / ".blurbench/shards").glob("*/*.jsonl"))
    (shard.parent / "copy.jsonl").write_bytes(shard.read_bytes())  # as of a second try at it
    replace_first(source)
    again = synthesize(REPLICAS, source, out)
    assert "2 pairs of pictures that were changed since (first: 000.png), made again" in (
        capsys.readouterr().err
    )
    assert again.digest == synthesize(REPLICAS, source, tmp_path / "fresh").digest
    assert again.made == 3
    assert verify(out) == []


def test_a_source_that_was_moved_is_the_same(stopped, tmp_path, capsys):
    _, out = stopped
    shutil.copytree(tmp_path / "in", tmp_path / "other" / "in")
    assert synthesize(REPLICAS, open_source(str(tmp_path / "other" / "in")), out).made == 1
    assert "made again" not in capsys.readouterr().err


def test_a_picture_that_is_gone_from_an_unfinished_set_is_a_failure(stopped, capsys):
    source, out = stopped
    source.items[0].path.write_text("damaged")
    again = synthesize(REPLICAS, source, out)
    assert (again.failed, again.made, again.counts) == (1, 1, {"train": 2})
    assert "first: 000.png" in capsys.readouterr().err
    assert verify(out) == []


def test_a_picture_that_changes_while_its_pairs_are_made_is_told(stopped, tmp_path, monkeypatch):
    source, out = stopped
    write = make._write

    def change(*arguments):
        replace_first(source)
        return write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(make, "_write", change)
        with pytest.raises(UserError, match=r"000.png was changed while its pairs .*; run the"):
            synthesize(REPLICAS, source, out)
    again = synthesize(REPLICAS, source, out)
    assert again.digest == synthesize(REPLICAS, source, tmp_path / "fresh").digest


@pytest.mark.parametrize("name", [".", "made", "link/made"])
def test_a_folder_inside_the_source_is_refused(tmp_path, name):
    folder = tiny_data.write_photos(tmp_path / "in", 2)
    (tmp_path / "link").symlink_to(folder)
    out = tmp_path / name if name.startswith("link") else folder / name
    with pytest.raises(UserError, match=r"lies in the source folder .*give an --out outside it"):
        synthesize(RECIPE, open_source(str(folder)), out)
    assert len(list(folder.iterdir())) == 2


def test_folders_with_something_else_are_refused(photos, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not empty, and not a data set"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path)
    with pytest.raises(UserError, match="is a file"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_writers_are_kept_apart(photos, tmp_path, monkeypatch):
    source, out = open_source(str(photos)), tmp_path / "out"

    def second(*_):
        with pytest.raises(UserError, match="another process is writing here"):
            synthesize(RECIPE, source, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "make_shard", second)
    with pytest.raises(KeyboardInterrupt):
        synthesize(RECIPE, source, out)


def test_a_set_made_between_the_first_look_and_the_lock_is_left_alone(
    photos, tmp_path, monkeypatch
):
    source, out = open_source(str(photos)), tmp_path / "out"
    held = Folder.locked

    def late(store, folder):
        monkeypatch.setattr(Folder, "locked", held)
        synthesize(RECIPE, source, out, limit=2)
        return held(store, folder)

    monkeypatch.setattr(Folder, "locked", late)
    with pytest.raises(UserError, match="was made with limit 2, not None"):
        synthesize(RECIPE, source, out)
    assert verify(out) == []


def test_plan_tells_where_nothing_can_be_made(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 0)
    (folder / "text.jpg").write_text("hello")
    words = r"none of the \d pairs? tried can be made; the first: text.jpg: not a readable image"
    with pytest.raises(UserError, match=words):
        plan(RECIPE, open_source(str(folder)))


def test_splits_are_told_in_the_order_of_their_use(tmp_path):
    for split in ("test", "train", "val"):
        tiny_data.write_photos(tmp_path / "in" / split, 1)
    source = open_source(str(tmp_path / "in"))
    planned = str(plan(RECIPE, source))
    made = str(synthesize(RECIPE, source, tmp_path / "out"))
    assert "source images: 1 train, 1 val, 1 test\n" in planned
    assert "4 pairs (2 train, 1 val, 1 test)" in planned
    assert "4 pairs (2 train, 1 val, 1 test)" in made
    recipe = tiny_data.flow_recipe(replicas__train=1)
    (tmp_path / "in" / "train").rename(tmp_path / "one")
    alone = open_source(str(tmp_path / "one"))
    assert "1 pair (" in str(synthesize(recipe, alone, tmp_path / "single"))


def test_failures_lead_with_the_source_id(tmp_path):
    folder = tiny_data.write_faces(tmp_path / "in", 2)
    label = next((folder).rglob("masks/*.png"))
    label.write_text("damaged")
    summary = synthesize(
        tiny_data.face_recipe(), open_source(str(folder), masks=True), tmp_path / "out"
    )
    (failure,) = summary.failures
    assert failure["error"].startswith(f"{failure['source_id']}: ")
    assert label.relative_to(folder).as_posix() in failure["error"]
    assert str(tmp_path) not in failure["error"]
