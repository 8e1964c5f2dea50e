"""Data sets behind a URL: the same as in a folder, whatever goes wrong on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import ClassVar

import fsspec
import pytest
import tiny_data
import torch
from fsspec.implementations.memory import MemoryFileSystem

from blurbench.__main__ import run
from blurbench.datasets import BlurDataset, make
from blurbench.datasets.make import synthesize
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.sources.open import open_source
from blurbench.stores.open import open_store

RECIPE = tiny_data.flow_recipe()

# A process of its own, which dies by SIGKILL after it has written KILL pairs, mid-shard.
CHILD = """
import os, signal, sys
import tiny_data
from blurbench.datasets import make
from blurbench.sources.open import open_source
photos, out, kill = sys.argv[1], sys.argv[2], int(sys.argv[3])
write, written = make._write, []
def dying(*arguments):
    if len(written) == kill:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(*arguments))
    return written[-1]
make._write = dying
make.synthesize(tiny_data.flow_recipe(), open_source(photos), out, shard_size=4)
"""


class BreakingFileSystem(MemoryFileSystem):
    """Fails or dies at one of the operations that change it."""

    protocol = "breaking"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]
    left = -1  # operations before the one that breaks
    error: BaseException = OSError(5, "Connection reset")

    @classmethod
    def _strip_protocol(cls, path):
        return MemoryFileSystem._strip_protocol(path.replace("breaking://", "memory://"))

    def _count(self):
        cls = type(self)
        cls.left -= 1
        if cls.left == -1:
            raise self.error

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        self._count()
        super().pipe_file(path, value, mode, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self._count()
        super().put_file(lpath, rpath, **kwargs)

    def rm_file(self, path):
        self._count()
        super().rm_file(path)


@pytest.fixture
def breaking():
    fsspec.register_implementation("breaking", BreakingFileSystem, clobber=True)
    BreakingFileSystem.store.clear()
    BreakingFileSystem.left = 10**6
    yield BreakingFileSystem
    BreakingFileSystem.error = OSError(5, "Connection reset")


@pytest.fixture
def url(tmp_path):
    return f"memory://{tmp_path}/out"


def contents(place) -> dict[str, bytes]:
    store = open_store(place)
    return {name: store.read(name) for name in store.names()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "workers"), [("memory", 1), ("file", 1), ("file", 2)], ids=lambda value: str(value)
)
def test_a_url_holds_what_a_folder_holds(whole, photos, tmp_path, scheme, workers):
    out = f"{scheme}://{tmp_path}/out"
    made = synthesize(RECIPE, open_source(str(photos)), out, workers=Workers(workers))
    assert (made.digest, made.counts, made.made) == (whole.digest, whole.counts, whole.made)
    assert str(made).startswith(f"{out}: 18 pairs")
    assert contents(out) == contents(whole.out)
    assert verify(out, workers=Workers(workers)) == []
    again = synthesize(RECIPE, open_source(str(photos)), out, workers=Workers(workers))
    assert (again.made, again.digest) == (0, whole.digest)
    open_store(out).remove(open_store(out).names("train/sharp")[0])
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (1, whole.digest)
    if scheme == "file":
        assert verify(tmp_path / "out") == []
        assert not list((tmp_path / "out").rglob(".*"))


def test_items_are_those_of_the_folder(whole, url):
    for name, data in contents(whole.out).items():
        open_store(url).write(name, data)
    here, there = BlurDataset(whole.out, "train"), BlurDataset(url, "train")
    assert (there.digest, there.rows, there.splits) == (here.digest, here.rows, here.splits)
    for index in range(len(here)):
        for kind in ("blur", "sharp"):
            assert torch.equal(there[index][kind], here[index][kind])


@pytest.mark.slow
@pytest.mark.parametrize("kill", [0, 6, 9])
def test_a_killed_run_goes_on_to_the_same_digest(whole, photos, tmp_path, kill):
    out = f"file://{tmp_path}/out"
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, str(photos), out, str(kill)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(UserError, match="unfinished: run synthesize again"):
        verify(out)
    summary = synthesize(RECIPE, open_source(str(photos)), out, workers=Workers(2))
    assert summary.made == whole.made - kill // 4 * 4
    assert contents(out) == contents(whole.out)


def test_an_error_in_the_middle_is_told_and_nothing_is_lost(whole, photos, breaking):
    breaking.left = 20
    out = "breaking://bucket/out"
    with pytest.raises(UserError, match="Connection reset; check the address, your credentials"):
        synthesize(RECIPE, open_source(str(photos)), out)
    summary = synthesize(RECIPE, open_source(str(photos)), out)
    assert 0 < summary.made < whole.made
    assert contents(out) == contents(whole.out)


@pytest.mark.slow
@pytest.mark.parametrize("error", [PermissionError(13, "Access Denied"), KeyboardInterrupt()])
def test_a_run_may_break_at_any_of_its_writes(photos, tmp_path, breaking, error):
    source, expected = open_source(str(photos)), tmp_path / "expected"
    digest = synthesize(RECIPE, source, expected, limit=2).digest
    synthesize(RECIPE, source, "breaking://a/whole", limit=2)
    steps = 10**6 - breaking.left
    assert steps > 15
    breaking.error = error
    for step in range(steps):
        out = f"breaking://a/{step}"
        breaking.left = step
        with pytest.raises((UserError, KeyboardInterrupt)):
            synthesize(RECIPE, source, out, limit=2)
        assert synthesize(RECIPE, source, out, limit=2).digest == digest
        assert contents(out) == contents(expected)
        assert verify(out) == []


def test_two_runs_at_once_do_no_harm(whole, photos, url, monkeypatch):
    make_shard, source = make.make_shard, open_source(str(photos))

    def second(job, tasks):
        monkeypatch.setattr(make, "make_shard", make_shard)
        assert synthesize(RECIPE, source, url).digest == whole.digest
        make_shard(job, tasks)

    monkeypatch.setattr(make, "make_shard", second)
    with pytest.raises(UserError, match="two runs write at once; run the same command again"):
        synthesize(RECIPE, source, url)
    assert synthesize(RECIPE, source, url).digest == whole.digest
    assert contents(url) == contents(whole.out)


def test_bad_inputs_are_listed_behind_the_url(url, tmp_path):
    folder = tiny_data.write_photos(tmp_path / "in", 2)
    synthesize(RECIPE, open_source(str(folder)), url)
    (folder / "001.png").write_text("damaged")
    lost = [name for name in contents(url) if name.endswith("metadata.jsonl")]
    open_store(url).remove(lost[0])
    for name in lost[1:]:
        open_store(url).write(name, b"")
    summary = synthesize(RECIPE, open_source(str(folder)), url)
    assert [row["source_id"] for row in summary.failures] == ["001.png"]
    assert f"1 input failed, see {url}/failures.jsonl" in str(summary)
    assert verify(url) == []
    shutil.copy(folder / "000.png", folder / "001.png")
    assert synthesize(RECIPE, open_source(str(folder)), url).failed == 0
    assert "failures.jsonl" not in contents(url)


def test_whatever_changed_is_found(whole, url):
    store = open_store(url)
    for name, data in contents(whole.out).items():
        store.write(name, data)
    assert verify(url) == []
    first, second, third, *_ = store.names("train/blur")
    data = bytearray(store.read(first))
    data[len(data) // 2] ^= 1
    store.write(first, bytes(data))
    store.write("train/blur/stranger.png", store.read(second))
    store.remove(second)
    row = next(r for r in BlurDataset(url, "train").rows if r["blur_file_name"] in third)
    text = store.read("train/metadata.jsonl").decode()
    outside = text.replace(row["blur_file_name"], "../../secret.png")
    store.write("train/metadata.jsonl", outside.encode())
    problems = verify(url)
    for words in (
        f"{url}/{first}: changed",
        f"{url}/{second}: cannot be read (No such file or directory)",
        f"{url}/train/blur/stranger.png: a picture that no row",
        f"{url}/train/metadata.jsonl: changed",
        "leads out of this folder",
    ):
        assert any(words in problem for problem in problems), words


def test_what_else_is_there_is_refused(photos, url):
    source = open_source(str(photos))
    open_store(url).write("thesis.tex", b"years of work")
    with pytest.raises(UserError, match="not empty, and not a data set"):
        synthesize(RECIPE, source, url)
    with pytest.raises(UserError, match="is a file; give a folder"):
        synthesize(RECIPE, source, f"{url}/thesis.tex")
    with pytest.raises(UserError, match="lies in the source folder"):
        synthesize(RECIPE, source, f"file://{photos}/made")
    synthesize(RECIPE, source, f"{url}2", limit=2)
    with pytest.raises(UserError, match="was made with seed 0, not 1"):
        synthesize(RECIPE, source, f"{url}2", limit=2, seed=1)
    with pytest.raises(UserError, match=f"{url}3: no such folder"):
        BlurDataset(f"{url}3", "train")


def test_the_commands_take_urls(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    source = tiny_data.write_photos(tmp_path / "in", 2)
    recipe = tmp_path / "tiny.toml"
    out = f"file://{tmp_path}/out"
    made = ["synthesize", str(recipe), "--source", str(source), "--out"]
    recipe.write_text(toml(tiny_data.FLOW))
    assert run([*made, out]) == 0
    assert f"{out}: " in capsys.readouterr().out
    assert run(["verify", out]) == 0
    assert f"{out}: verified" in capsys.readouterr().out
    assert run([*made, "gs://bucket/out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("blurbench: gs://bucket/out: ")
    assert "gcsfs" in error
    assert error.count("\n") == 1


def toml(tables: dict) -> str:
    plain = [f"{k} = {json.dumps(v)}" for k, v in tables.items() if not isinstance(v, dict)]
    named = [
        "\n".join([f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())])
        for name, table in tables.items()
        if isinstance(table, dict)
    ]
    return "\n".join(plain + named)
