import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny_data

from blurbench import engine
from blurbench.datasets import make
from blurbench.datasets.make import plan, synthesize
from blurbench.datasets.verify import verify
from blurbench.engine import Done, Workers
from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.sources.open import open_source
from blurbench.stores.folder import FolderBatch

RECIPE = tiny_data.flow_recipe()
COUNT = tiny_data.PHOTOS

# A process of its own, which dies by SIGKILL after it has written KILL pairs, mid-shard. It keeps
# records every KEEP seconds.
CHILD = """
import os, signal, sys, time
import tiny_data
from blurbench.datasets import make, shard_record
from blurbench.sources.open import open_source
photos, out, kill = sys.argv[1], sys.argv[2], int(sys.argv[3])
shard_record.KEEP_S = float(sys.argv[4])
write, written = make._write, []
def dying(*arguments):
    if len(written) == kill:
        time.sleep(0.5)  # a record may be on its way
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(*arguments))
    return written[-1]
make._write = dying
summary = make.synthesize(
    tiny_data.flow_recipe(), open_source(photos), make.Path(out), shard_size=4
)
print(summary.digest)
"""


def child(photos: Path, out: Path, kill: int = -1, keep: str = "inf", **environment: str):
    paths = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(photos), str(out), str(kill), keep],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(out: Path) -> dict[str, dict]:
    return {
        f"{path.parent.name}/{row['id']}": row
        for path in out.glob("*/metadata.jsonl")
        for row in map(json.loads, path.read_text().splitlines())
    }


def pictures(out: Path) -> dict[str, bytes]:
    """What lies in the folders of the splits; the card has pictures too."""
    found = out.glob("*/*/*.png")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def test_a_data_set_holds_what_the_contract_says(whole):
    info = json.loads((whole.out / "dataset.json").read_text())
    assert info["counts"] == whole.counts == Counter(key.split("/")[0] for key in rows(whole.out))
    assert set(whole.counts) == {"train", "val", "test"}
    assert whole.counts["train"] % 2 == 0
    assert info["digest"] == whole.digest
    assert info["recipe"]["name"] == "tiny"
    assert info["source"]["images"] == str(COUNT)
    assert str(whole.out.parent) not in json.dumps(info)
    assert len(pictures(whole.out)) == 2 * whole.made == 2 * sum(whole.counts.values())
    assert not list(whole.out.rglob(".*"))
    assert not (whole.out / "failures.jsonl").exists()
    for key, row in rows(whole.out).items():
        split = whole.out / key.split("/")[0]
        image = read_image(split / row["blur_file_name"])
        assert image.shape == (row["height"], row["width"], 3)
        assert image.shape == read_image(split / row["sharp_file_name"]).shape
        assert isinstance(row["severity_mean_px"], float)
        assert isinstance(row["noise_sigma"], float)
    assert len({tuple(row) for row in rows(whole.out).values()}) == 1


def test_the_digest_does_not_see_who_encoded_the_files(whole, photos, tmp_path, monkeypatch):
    fast = pytest.importorskip("fpng", reason="the extra blurbench[png] is not installed")
    made = []
    for name, package in (("fpng", fast), ("opencv", None)):
        monkeypatch.setattr("blurbench.images._fast_png", lambda package=package: package)
        made.append(synthesize(RECIPE, open_source(str(photos)), tmp_path / name))
        assert verify(tmp_path / name) == []
    assert {each.digest for each in made} == {whole.digest}
    assert pictures(tmp_path / "fpng") != pictures(tmp_path / "opencv")


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [{"workers": Workers(2)}, {"shard_size": 1}, {"shard_size": 5}, {"image_format": "webp"}]
)
def test_the_digest_depends_on_nothing_but_the_pixels(whole, photos, tmp_path, how):
    summary = synthesize(RECIPE, open_source(str(photos)), tmp_path / "out", **how)
    assert summary.digest == whole.digest
    assert verify(tmp_path / "out") == []
    if "image_format" not in how:
        assert rows(tmp_path / "out") == rows(whole.out)
        assert pictures(tmp_path / "out") == pictures(whole.out)


@pytest.mark.parametrize(("kill", "keep", "kept"), [(6, "inf", 4), (9, "inf", 8), (9, "0", 9)])
def test_a_killed_run_goes_on_to_the_same_digest(whole, photos, tmp_path, kill, keep, kept):
    out = tmp_path / "out"
    killed = child(photos, out, kill, keep)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(UserError, match="unfinished: run synthesize again"):
        verify(out)
    (out / "train" / "blur" / ".tmp-torn.png").write_bytes(b"half a pict")
    summary = synthesize(RECIPE, open_source(str(photos)), out, shard_size=3)
    assert summary.digest == whole.digest
    assert summary.made == sum(whole.counts.values()) - kept
    assert pictures(out) == pictures(whole.out)
    assert not list(out.rglob(".*"))


@pytest.mark.slow
def test_the_digest_is_the_same_on_a_processor_without_simd(whole, photos, tmp_path):
    done = child(photos, tmp_path / "out", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert done.stdout.strip() == whole.digest, done.stderr


def test_pictures_that_vanish_before_the_end_are_made_again(whole, photos, tmp_path):
    out = tmp_path / "out"
    assert child(photos, out, 9).returncode == -signal.SIGKILL
    for path in list(out.glob("*/blur/*.png"))[:3]:
        path.unlink()
    assert synthesize(RECIPE, open_source(str(photos)), out).digest == whole.digest


def test_ctrl_c_keeps_every_finished_pair(whole, photos, tmp_path, monkeypatch):
    write, written = make._write, []

    def interrupted(*arguments):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(write(*arguments))
        return written[-1]

    monkeypatch.setattr(make, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    monkeypatch.undo()
    summary = synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    assert (summary.made, summary.digest) == (whole.made - 5, whole.digest)


def test_a_full_disk_is_told_and_nothing_is_lost(whole, photos, tmp_path, monkeypatch):
    calls = []

    def full(batch, name, data):
        calls.append(name)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        return put(batch, name, data)

    put = FolderBatch.put
    monkeypatch.setattr(FolderBatch, "put", full)
    with pytest.raises(UserError, match=r"cannot write \(No space left on device\); mend that"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    monkeypatch.undo()
    summary = synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    assert (summary.made, summary.digest) == (whole.made - 3, whole.digest)


def test_a_finished_set_is_left_alone(whole, photos, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in whole.out.rglob("*")}
    monkeypatch.setattr(make, "make_shard", pytest.fail)
    again = synthesize(RECIPE, open_source(str(photos)), whole.out)
    assert (again.made, again.digest, again.counts) == (0, whole.digest, whole.counts)
    assert "nothing was left to make" in str(again)
    assert before == {path: path.stat().st_mtime_ns for path in whole.out.rglob("*")}


def test_a_finished_set_that_lost_something_gets_it_back(whole, photos, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    next(iter(sorted(out.glob("train/blur/*.png")))).unlink()
    next(iter(sorted(out.glob("test/sharp/*.png")))).unlink()
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (2, whole.digest)
    path = out / "train" / "metadata.jsonl"
    path.write_text(path.read_text()[:-40])
    (out / "val" / "metadata.jsonl").unlink()
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (1 + whole.counts["val"], whole.digest)
    assert verify(out) == []
    assert pictures(out) == pictures(whole.out)


def test_a_finished_set_does_not_become_one_of_other_sources(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 2)
    source, out = open_source(str(folder)), tmp_path / "out"
    before = synthesize(RECIPE, source, out)
    was = (folder / "000.png").read_bytes()
    (folder / "000.png").write_bytes((folder / "001.png").read_bytes())
    for row in (row for row in rows(out).values() if row["source_id"] == "000.png"):
        next(out.glob(f"*/{row['blur_file_name']}")).unlink()
    kept = (out / "dataset.json").read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match=r"000\.png: it, or its mask .* was changed since"):
            synthesize(RECIPE, source, out)
        assert (out / "dataset.json").read_bytes() == kept
    (folder / "000.png").write_bytes(was)
    assert synthesize(RECIPE, source, out).digest == before.digest
    assert verify(out) == []


def test_damaged_done_records_cost_only_their_own_pairs(whole, photos, tmp_path):
    out = tmp_path / "out"
    assert child(photos, out, 9).returncode == -signal.SIGKILL
    first, second = sorted((out / ".blurbench" / "shards").glob("*/*.jsonl"))
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"\xff\x00\n" + b"".join(lines[1:-1]) + lines[-1][:-30])
    second.write_text('[]\n{}\n{"split": "train"}\n{"split": "train", "row": {"id": 1}}\n')
    summary = synthesize(RECIPE, open_source(str(photos)), out)
    assert (summary.made, summary.digest) == (whole.made - len(lines) + 2, whole.digest)
    assert verify(out) == []


def test_adding_images_moves_no_other_pair(whole, tmp_path):
    more = open_source(str(tiny_data.write_photos(tmp_path / "in", COUNT + 4)))
    synthesize(RECIPE, more, tmp_path / "out")
    larger = rows(tmp_path / "out")
    assert len(larger) > len(rows(whole.out))
    assert {key: larger[key] for key in rows(whole.out)} == rows(whole.out)


def test_bad_inputs_are_listed_and_the_rest_is_made(whole, tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 3)
    (folder / "text.jpg").write_text("hello")
    (folder / "torn.png").write_bytes((folder / "000.png").read_bytes()[:300])
    source, out = open_source(str(folder)), tmp_path / "out"
    summary = synthesize(RECIPE, source, out)
    assert summary.failed == 2
    assert {row["source_id"] for row in summary.failures} == {"text.jpg", "torn.png"}
    assert "  text.jpg: not a readable image" in str(summary)
    assert "2 inputs failed" in str(summary)
    assert str(tmp_path) not in (out / "failures.jsonl").read_text()
    assert verify(out) == []
    assert set(rows(out)) < set(rows(whole.out))
    # They are tried again, and made once they are mended.
    (folder / "text.jpg").write_bytes((folder / "001.png").read_bytes())
    again = synthesize(RECIPE, source, out)
    assert [row["source_id"] for row in again.failures] == ["torn.png"]
    assert again.made in (1, 2)
    assert again.digest != summary.digest
    assert verify(out) == []
    (folder / "torn.png").write_bytes((folder / "002.png").read_bytes())
    assert synthesize(RECIPE, source, out).failed == 0
    assert not (out / "failures.jsonl").exists()
    fresh = synthesize(RECIPE, source, tmp_path / "fresh")
    assert fresh.digest == synthesize(RECIPE, source, out).digest


def test_an_image_damaged_after_its_pair_was_made_leaves_no_picture_behind(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 3)
    source, out = open_source(str(folder)), tmp_path / "out"
    synthesize(RECIPE, source, out)
    (folder / "001.png").write_text("damaged")
    (out / ".blurbench").mkdir()
    for path in out.glob("*/metadata.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "001.png" not in line))
    assert synthesize(RECIPE, source, out).failed == 1
    assert verify(out) == []


def test_nothing_but_bad_inputs_makes_no_data_set(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "text.jpg").write_text("hello")
    for recipe in (RECIPE, tiny_data.flow_recipe(noise__sigma=0.1)):  # the second is not held up
        words = r"out: no pair could be made; the first: text.jpg: not a readable image"
        with pytest.raises(UserError, match=words):
            synthesize(recipe, open_source(str(folder)), out)
        assert [path.name for path in out.iterdir()] == ["failures.jsonl"]
    (folder / "text.jpg").write_bytes(
        (tiny_data.write_photos(tmp_path, 1) / "000.png").read_bytes()
    )
    assert synthesize(RECIPE, open_source(str(folder)), out).failed == 0
    assert verify(out) == []


def test_a_picture_that_kills_its_worker_costs_only_itself(whole, photos, tmp_path, monkeypatch):
    def deadly(function, cut, _workers):
        for shard in cut:
            killed = any(task.item.id == "003.png" for task in shard)
            yield Done(shard, None if killed else function(shard), killed)

    monkeypatch.setattr(engine, "run_shards", deadly)
    summary = synthesize(RECIPE, open_source(str(photos)), tmp_path / "out")
    assert [row["error"] for row in summary.failures] == ["003.png: kills its process"]
    lost = [key for key, row in rows(whole.out).items() if row["source_id"] == "003.png"]
    assert set(rows(tmp_path / "out")) == set(rows(whole.out)) - set(lost)


def test_masked_sets(tmp_path):
    source = open_source(str(tiny_data.write_faces(tmp_path / "in", 2)), masks=True)
    png = synthesize(tiny_data.face_recipe(), source, tmp_path / "png")
    webp = synthesize(tiny_data.face_recipe(), source, tmp_path / "webp", image_format="webp")
    assert png.digest == webp.digest
    assert verify(tmp_path / "webp") == []
    assert {path.suffix for path in (tmp_path / "webp" / "train" / "mask").iterdir()} == {".png"}
    assert all("mask_pixels" in row for row in rows(tmp_path / "png").values())


LOAD = """
import sys, datasets
found = datasets.load_dataset("imagefolder", data_dir=sys.argv[1], cache_dir=sys.argv[2])
for split, data in found.items():
    print(split, len(data), *sorted(n for n, f in data.features.items() if "Image" in str(f)))
    assert data[0]["blur"].size == data[0]["sharp"].size == (data[0]["width"], data[0]["height"])
    assert isinstance(data[0]["id"], str) and isinstance(data[0]["parameters"], str)
"""


def test_it_loads_as_an_imagefolder(whole, tmp_path):
    pytest.importorskip("datasets")
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, str(whole.out), str(tmp_path)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    names = {"train": "train", "validation": "val", "test": "test"}
    for line in loaded.stdout.splitlines():
        split, count, *columns = line.split()
        assert int(count) == whole.counts[names[split]]
        assert columns == ["blur", "sharp"]
    assert len(loaded.stdout.splitlines()) == len(whole.counts)


def test_an_unfinished_set_of_another_request_is_refused(photos, tmp_path):
    child(photos, tmp_path / "out", 2)
    with pytest.raises(UserError, match="was made with seed 0, not 1"):
        synthesize(RECIPE, open_source(str(photos)), tmp_path / "out", seed=1)


def test_plan_counts_and_writes_nothing(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = open_source(str(photos))
    planned = plan(RECIPE, source, limit=5)
    made = synthesize(RECIPE, source, tmp_path / "out", limit=5)
    assert planned.counts == made.counts
    assert sum(planned.sources.values()) == 5
    size = sum(map(len, pictures(tmp_path / "out").values()))
    assert 0.5 * size < planned.bytes < 2 * size
    assert planned.seconds > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert "with one worker" in str(planned)
