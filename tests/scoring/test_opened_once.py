"""One command reads what a data set and a result say once, and hands it on."""

import shutil

from click.testing import CliRunner
from file_reads import reads_in

from blurbench.cli import cli


def counts(root, *words):
    """How often one command opened each file below `root` for reading, pictures apart."""
    with reads_in(root) as count:
        done = CliRunner().invoke(cli, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return {name: times for name, times in count.items() if not name.endswith((".png", ".webp"))}


def test_one_evaluation_and_one_leaderboard_open_each_file_once(make_data_set, finished, tmp_path):
    data, out = make_data_set(tmp_path / "set", count=6), tmp_path / "results"
    read = {"set/dataset.json": 1, "set/test/metadata.jsonl": 1}
    evaluate = ("evaluate", "--data", data, "--device", "cpu")
    identity = (*evaluate, "--identity", "--out", out / "identity")
    assert counts(tmp_path, *identity) == read
    # Twice: what it was begun with is asked for before the lock, and checked behind it.
    begun = {"results/identity/summary.json": 2, "results/identity/results.jsonl": 1}
    assert counts(tmp_path, *identity) == read | begun
    runs = [shutil.copytree(finished, tmp_path / name) for name in "ab"]
    found = counts(tmp_path, *evaluate, "--checkpoint", *runs, "--out", out)
    assert {name: found[name] for name in found if name.startswith("set")} == read
    folders = [out / name for name in ("identity", "a", "b")]
    ranked = counts(tmp_path, "leaderboard", *folders, "--out", tmp_path / "board")
    assert ranked == {
        f"results/{name}/{file}": 1
        for name in ("identity", "a", "b")
        for file in ("summary.json", "results.jsonl")
    }
