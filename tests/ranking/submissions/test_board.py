"""Rows that others add: what is taken, and what is found out of them."""

import json
import shutil
import zipfile

import pytest
import torch
from click.testing import CliRunner
from small_results import write_data_set

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.locks import locked
from blurbench.models import build
from blurbench.ranking.submissions import add as adding
from blurbench.ranking.submissions.add import Behind, add
from blurbench.ranking.submissions.entry import (
    read_checks,
    read_entry,
    rows_of,
    slug,
)
from blurbench.ranking.submissions.verify import _left_out, rank, verify
from blurbench.schemas.csv_rows import csv_rows
from blurbench.schemas.seals import sealed
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, Identity, trained


@pytest.fixture
def data(tmp_path):
    return write_data_set(tmp_path / "data")


def restored(tmp_path, data, name="theirs"):
    """A result of somebody's pictures, which lie in tmp_path / "pictures"."""
    shutil.copytree(data / "test" / "blur", tmp_path / "pictures", dirs_exist_ok=True)
    restorer = FolderRestorer(tmp_path / "pictures", name)
    evaluate(open_data(data), tmp_path / name, restore=restorer, name=name)
    return tmp_path / name


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"pictures/{file.name}")
    return path


def marks(board):
    return {name.rpartition("/")[2]: check.mark for name, check in read_checks(board).items()}


def forge(row, change=0.5):
    """Better scores, sealed as their author could seal them."""
    lines = [json.loads(line) for line in (row / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line["metrics"]["psnr"] += change
    text = "".join(json.dumps(sealed(line)) + "\n" for line in lines)
    (row / "results.jsonl").write_text(text)


def test_the_baseline_is_run_again(tmp_path, data):
    evaluate(open_data(data), tmp_path / "r", restore=Identity(), name="identity")
    row = add(tmp_path / "r", tmp_path / "board", Behind())
    assert not list(row.rglob("*.png"))  # no picture without being asked for
    done = verify(tmp_path / "board", [data])
    assert marks(tmp_path / "board") == {"identity": "re-run"}
    assert done.wrong == {}
    assert "re-run (psnr, ssim agree)" in str(done)


@pytest.mark.parametrize("packed", [True, False])
def test_pictures_are_scored_again_wherever_they_lie(tmp_path, data, packed):
    result = restored(tmp_path, data)
    files = tmp_path / "pictures"
    if packed:
        files = zipped(files, tmp_path / "pictures.zip")
    add(result, tmp_path / "board", Behind(restored=files))
    assert marks(tmp_path / "board") == {}
    verify(tmp_path / "board", [data])
    assert marks(tmp_path / "board") == {"theirs": "self-reported"}
    verify(tmp_path / "board", [data], files=[files])
    assert marks(tmp_path / "board") == {"theirs": "re-scored"}


def test_pictures_below_the_row_need_no_file(tmp_path, data):
    result = restored(tmp_path, data)
    behind = Behind(restored=tmp_path / "pictures", restored_at="restored")
    row = add(result, tmp_path / "board", behind)
    verify(tmp_path / "board", [data])
    assert marks(tmp_path / "board") == {"theirs": "self-reported"}  # not there yet
    shutil.copytree(tmp_path / "pictures", row / "restored")
    verify(tmp_path / "board", [data])
    assert marks(tmp_path / "board") == {"theirs": "re-scored"}
    (row / "restored" / "crop-3.png").write_bytes((row / "restored" / "crop-4.png").read_bytes())
    with pytest.raises(UserError, match=r"restored: has SHA-256 .* and entry.json says"):
        verify(tmp_path / "board", [data])


def test_scores_that_do_not_come_out_are_told_with_both_numbers_and_not_marked(tmp_path, data):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "pictures"))
    verify(tmp_path / "board", [data], files=[tmp_path / "pictures"])
    assert marks(tmp_path / "board") == {"theirs": "re-scored"}
    forge(row)
    assert marks(tmp_path / "board") == {}  # of other scores
    asked = [str(tmp_path / "board"), "--data", str(data), "--file", str(tmp_path / "pictures")]
    done = CliRunner().invoke(cli, ["board", "verify", *asked], standalone_mode=False)
    assert done.return_value == 1
    assert marks(tmp_path / "board") == {}
    first = (tmp_path / "theirs" / "results.jsonl").read_text().splitlines()[0]
    told = next(line for line in done.output.splitlines() if "DOES NOT AGREE" in line)
    value = json.loads(first)["metrics"]["psnr"]
    assert f"psnr of crop-0 is {value + 0.5:.6g} there and {value:.6g} now" in told
    table = (tmp_path / "board" / "leaderboard.csv").read_bytes()
    assert [row["checked"] for _, row in csv_rows(table, "x")[1]] == ["self-reported"]


def test_a_picture_that_is_left_out_is_told(tmp_path, data):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "pictures"))
    lines = (row / "results.jsonl").read_text().splitlines(keepends=True)
    (row / "results.jsonl").write_text("".join(lines[1:]))
    summary = {**read_json(row / "summary.json"), "images": 9}
    write_json(row / "summary.json", sealed(summary))
    done = verify(tmp_path / "board", [data], files=[tmp_path / "pictures"])
    assert "psnr of crop-0: the row has no score of it" in next(iter(done.wrong.values()))


def test_weights_are_run_again(tmp_path, data):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = build("unet", "tiny")
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(weights, tmp_path / "mine.safetensors")
    file = tmp_path / "mine.safetensors"
    evaluate(open_data(data), tmp_path / "r", restore=trained(file, "mine", "cpu"), name="mine")
    row = add(tmp_path / "r", tmp_path / "board", Behind(weights=file))
    assert read_entry(row).weights.place == ""
    verify(tmp_path / "board", [data], device="cpu")
    assert marks(tmp_path / "board") == {"mine": "self-reported"}
    verify(tmp_path / "board", [data], files=[file], device="cpu")
    assert marks(tmp_path / "board") == {"mine": "re-run"}
    forge(row, 0.02)
    done = verify(tmp_path / "board", [data], files=[file], device="cpu")
    assert len(done.wrong) == 1
    save_file({name: tensor + 1 for name, tensor in weights.items()}, tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="not what mine was scored with"):
        add(tmp_path / "r", tmp_path / "other", Behind(weights=tmp_path / "b.safetensors"))


def test_other_data_is_refused_and_marks_of_rows_of_other_data_stay(tmp_path, data):
    other = write_data_set(tmp_path / "other", count=7)
    for folder, name in ((data, "a"), (other, "b")):
        evaluate(open_data(folder), tmp_path / name, restore=Identity(name), name=name)
        add(tmp_path / name, tmp_path / "board", Behind())
        verify(tmp_path / "board", [folder])
    assert marks(tmp_path / "board") == {"a": "re-run", "b": "re-run"}
    with pytest.raises(UserError, match="no row of this board is of it"):
        verify(tmp_path / "board", [write_data_set(tmp_path / "third", count=5)])


def entry_with(row, **changes):
    write_json(row / "entry.json", sealed(read_json(row / "entry.json") | changes))


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("../../../../pictures", "leads out of this folder"),
        ("/etc", "leads out of this folder"),
        ("a\0b", "not valid JSON"),
    ],
)
def test_paths_do_not_leave_the_row(tmp_path, data, place, why):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "pictures"))
    entry_with(row, restored={"sha256": "0" * 64, "place": place})
    with pytest.raises(UserError, match=why):
        verify(tmp_path / "board", [data])


@pytest.mark.parametrize(
    "changes",
    [
        {"restored": {"sha256": "nonsense", "place": ""}},
        {"more": 1},
        {"weights": 3},
        {"format": "blurbench board entry 9"},
    ],
)
def test_entries_go_through_a_schema(tmp_path, data, changes):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "pictures"))
    entry_with(row, **changes)
    with pytest.raises(UserError, match=r"entry\.json: .*board add"):
        verify(tmp_path / "board", [data])


def flip(path, old, new):
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "mend"),
    [
        ("entry.json", b'"place": ""', b'"place": "x"', "board add"),
        ("checks.json", b'"self-reported"', b'"re-run"', "board verify"),
    ],
)
def test_damage_is_told_before_anything_is_ranked(tmp_path, data, name, old, new, mend):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "pictures"))
    verify(tmp_path / "board", [data])
    before = (tmp_path / "board" / "leaderboard.csv").read_bytes()
    flip((row if name == "entry.json" else tmp_path / "board") / name, old, new)
    with pytest.raises(UserError, match=rf"{name}: was changed since it was written.*{mend}"):
        rank(tmp_path / "board")
    assert (tmp_path / "board" / "leaderboard.csv").read_bytes() == before


def test_a_mark_of_other_scores_is_told_and_dropped(tmp_path, data, capsys):
    evaluate(open_data(data), tmp_path / "r", restore=Identity(), name="identity")
    row = add(tmp_path / "r", tmp_path / "board", Behind())
    verify(tmp_path / "board", [data])
    forge(row)
    rank(tmp_path / "board")
    assert "identity was changed since it was verified" in capsys.readouterr().err
    assert "self-reported" in (tmp_path / "board" / "leaderboard.html").read_text()


@pytest.mark.parametrize("last", ["entry.json", "failures.jsonl", "summary.json"])
def test_a_row_whose_adding_was_killed_is_none_until_it_is_added(tmp_path, data, monkeypatch, last):
    evaluate(open_data(data), tmp_path / "r", restore=Identity(), name="identity")
    (tmp_path / "r" / "failures.jsonl").touch()

    def killed(path, content, write=adding.write_bytes):
        if last == "entry.json":
            raise KeyboardInterrupt
        write(path, content)
        if path.name == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adding, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            add(tmp_path / "r", tmp_path / "board", Behind())
    assert not list((tmp_path / "board").rglob("results.jsonl"))
    add(tmp_path / "r", tmp_path / "board", Behind())
    assert len(rows_of(tmp_path / "board")) == 1


def test_a_board_has_one_writer(tmp_path, data):
    evaluate(open_data(data), tmp_path / "r", restore=Identity(), name="identity")
    add(tmp_path / "r", tmp_path / "board", Behind())
    with locked(tmp_path / "board"), pytest.raises(UserError, match="another process is writing"):
        verify(tmp_path / "board", [data])


def test_links_are_refused(tmp_path, data):
    row = add(restored(tmp_path, data), tmp_path / "board", Behind())
    (row / "entry.json").unlink()
    (row / "entry.json").symlink_to(tmp_path / "theirs" / "summary.json")
    with pytest.raises(UserError, match="leads out of the board"):
        rows_of(tmp_path / "board")


def test_an_archive_writes_nowhere_else(tmp_path, data):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.png", b"x")
    result = restored(tmp_path, data)
    add(result, tmp_path / "board", Behind(restored=tmp_path / "evil.zip"))
    with pytest.raises(UserError, match="leads out of this folder"):
        verify(tmp_path / "board", [data], files=[tmp_path / "evil.zip"])
    assert not list(tmp_path.rglob("evil.png"))


def test_what_is_no_archive_is_told(tmp_path, data):
    (tmp_path / "text.zip").write_text("no archive")
    add(restored(tmp_path, data), tmp_path / "board", Behind(restored=tmp_path / "text.zip"))
    with pytest.raises(UserError, match=r"text.zip: no readable .zip"):
        verify(tmp_path / "board", [data], files=[tmp_path / "text.zip"])


@pytest.mark.parametrize(
    ("behind", "why"),
    [
        (Behind(restored_at="https://example.org/a.zip"), "names no files"),
        (Behind("pictures", "https://example.org/a.zip"), "pack it as a .zip first"),
        (Behind("pictures", "ftp://example.org/a.zip"), "pack it as a .zip first"),
        (Behind("pictures.zip", "ftp://example.org/a.zip"), "give an http"),
        (Behind("pictures.zip", "https:///a.zip"), "not an address"),
        (Behind("nothing"), "no such file"),
        (Behind(weights="pictures.zip"), "not what theirs was scored with"),
    ],
)
def test_references_that_nobody_could_follow_are_refused(tmp_path, data, behind, why):
    result = restored(tmp_path, data)
    zipped(tmp_path / "pictures", tmp_path / "pictures.zip")
    named = {
        name: tmp_path / path for name in ("restored", "weights") if (path := getattr(behind, name))
    }
    given = Behind(**{"restored_at": behind.restored_at, **named})
    with pytest.raises(UserError, match=why):
        add(result, tmp_path / "board", given)
    assert not (tmp_path / "board" / "results").exists()


def test_another_row_of_the_same_name_is_refused_and_the_same_is_none(tmp_path, data):
    evaluate(open_data(data), tmp_path / "a", restore=Identity("x"), name="x")
    add(tmp_path / "a", tmp_path / "board", Behind())
    add(tmp_path / "a", tmp_path / "board", Behind())
    forge(tmp_path / "a")
    with pytest.raises(UserError, match="another row of that name"):
        add(tmp_path / "a", tmp_path / "board", Behind())


def test_the_command_line_adds_and_ranks(tmp_path, data):
    restored(tmp_path, data)
    asked = [str(tmp_path / "theirs"), "--to", str(tmp_path / "board")]
    done = CliRunner().invoke(cli, ["board", "add", *asked], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "self-reported" in (tmp_path / "board" / "leaderboard.html").read_text()


def test_names_become_folders():
    assert slug("Wiener (oracle kernel)") == "wiener-oracle-kernel"
    assert slug("../..") == "row"


def test_labels_of_the_data_set_are_enough_and_networks_of_the_user_are_not():
    assert dict(_left_out(["psnr", "psnr-skin"])) == {}
    assert "embedding" in dict(_left_out(["psnr", "top-1"]))["top-1"]
