"""What a shard keeps while it is made, what a second try at it finds, and how records are read."""

from threading import Event

import pytest
import tiny_data
from hypothesis import example, given
from hypothesis import strategies as st

from blurbench.datasets import make, records, shard_record
from blurbench.datasets.find_pairs import FoundPair
from blurbench.datasets.make import SynthesisJob, make_shard, synthesize
from blurbench.datasets.records import (
    RECORDS,
    failed_entry,
    made_entry,
    read_records,
    record_lines,
)
from blurbench.datasets.shard_record import ShardRecord, recording
from blurbench.datasets.splits import list_tasks
from blurbench.errors import UserError
from blurbench.files import jsonl_line, sha256
from blurbench.sources.open import open_source
from blurbench.stores.folder import Folder

RECIPE = tiny_data.flow_recipe()

# Plain lines are read by a regular expression: it must see what the parser sees.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
NAMES = PLAIN | TEXTS | st.sampled_from(['a"], "row": ', "a\\", "../a", '", 1], ["b'])
FILES = st.lists(st.tuples(NAMES, st.none() | st.integers(-1, 10**17)), max_size=4)
ROWS = st.dictionaries(TEXTS, TEXTS | st.integers())
FINITE = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = TEXTS | FINITE | st.integers() | st.booleans() | st.none()
# What a line could be put together of: with its checksum, for whoever means harm can count, too.
PIECES = [
    *('{"sha256": "', '"split": ', '"id": ', '"files": ', '"row": ', '"failure": ', ", ", " "),
    *('[["a", 1], ["b", 2]]', '[["a", 1], ["b", 2], ["c", 3]]', '[["a", 01], ["b", 2]]'),
    *('[["a", 1.0], ["b", 2]]', '[["a", "1"], ["b", 2]]', '[["a", 1]]', "[]", "null", "\n"),
    *('"train"', '"a"', '"\\u0061"', '"é"', '""', "{}", "}", '{"id": "a"}', '["b", 2]', "NaN"),
]
SHAPE = '{}, "id": {}, "files": {}, "row": {}}}\n'


@pytest.fixture
def tasks(photos):
    return list_tasks(RECIPE, open_source(str(photos)))[:6]


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "out")


@pytest.fixture
def made(monkeypatch):
    """Names of the pairs whose pictures were written, in their order."""
    write, names = make._write, []
    monkeypatch.setattr(make, "_write", lambda *args: (names.append(args[1].id), write(*args))[1])
    return names


def test_a_second_try_makes_what_the_first_did_not_keep(tasks, store, made, monkeypatch):
    write, job = make._write, SynthesisJob(RECIPE, 0, store, "png")

    def interrupted(*arguments):
        if len(made) == 4:
            raise SystemExit
        return write(*arguments)

    monkeypatch.setattr(make, "_write", interrupted)
    with pytest.raises(SystemExit):
        make_shard(job, tasks)
    monkeypatch.setattr(make, "_write", write)
    make_shard(job, tasks)
    assert made == [task.id for task in tasks]
    # Neither writes over the other, which may be stopped and not dead.
    assert len(list((store.root / RECORDS).glob("*/*.jsonl"))) == 2


def test_what_failed_is_tried_again_and_lost_pictures_are_made_again(tasks, store, made):
    job = SynthesisJob(RECIPE, 0, store, "png")
    make_shard(job, tasks[:5])
    with recording(store, tasks[:5]) as record:
        assert record.left == []
    (store.root / f"{tasks[0].split}/blur/{tasks[0].id}.png").unlink()
    with recording(store, tasks[:5]) as record:
        assert record.left == tasks[:1]
    with recording(store, tasks[5:]) as record:
        record.add(failed_entry(tasks[5], "unreadable"))
    with recording(store, tasks[5:]) as record:
        assert record.left == tasks[5:]
    assert len(made) == 5


def test_a_record_is_kept_while_the_next_pairs_are_made(tasks, store, monkeypatch):
    monkeypatch.setattr(shard_record, "KEEP_S", 0)
    entered, go_on, kept = Event(), Event(), []

    def slow(_name, data):
        kept.append(data.count(b"\n"))
        entered.set()
        assert go_on.wait(20)

    record = ShardRecord(store, tasks)
    monkeypatch.setattr(record.batch, "seal", slow)
    record.add(failed_entry(tasks[0], "first"))
    assert entered.wait(20)
    for task in tasks[1:]:
        record.add(failed_entry(task, "others"))
    assert kept == [1]
    go_on.set()
    record.close()
    assert kept == [1, 6]


def test_pairs_whose_pictures_are_not_safe_are_in_no_record(tasks, store, monkeypatch):
    monkeypatch.setattr(shard_record, "KEEP_S", 0)

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blurbench.stores.folder.sync", full)
    with pytest.raises(UserError, match="No space left on device"):
        make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)
    assert not (store.root / RECORDS).exists()


def test_ctrl_c_on_a_full_disk_ends_as_ctrl_c(tasks, store, monkeypatch):
    def full(_path):
        raise OSError(28, "No space left on device")

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    write = make._write
    monkeypatch.setattr(make, "_write", interrupted)
    monkeypatch.setattr(ShardRecord, "_write", lambda *_: full(None))
    with pytest.raises(KeyboardInterrupt):
        make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)


def test_records_of_0_1_0_are_gone_on_with(whole, photos, tmp_path, made):
    """They lay beside each other, a file a shard."""
    out = tmp_path / "out"
    store = Folder(out)
    source = open_source(str(photos))
    tasks = list_tasks(RECIPE, source)
    store.write_json(".blurbench/plan.json", make._request(RECIPE, source, 0, None, "png"))
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks[:7])
    (record,) = (out / RECORDS).glob("*/*.jsonl")
    record.rename(out / RECORDS / f"{32 * 'a'}.jsonl")
    record.parent.rmdir()
    summary = synthesize(RECIPE, source, out)
    assert (summary.made, summary.digest) == (whole.made - 7, whole.digest)
    assert len(made) == len(set(made)) == whole.made


def test_copies_of_two_tries_at_a_shard_are_counted_once(tasks, store, tmp_path):
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)
    (record,) = (store.root / RECORDS).glob("*/*.jsonl")
    (record.parent / "another.jsonl").write_bytes(record.read_bytes())
    found = read_records(store, tmp_path, tasks)
    assert (found.made, found.strangers, found.left()) == (6, 0, [])


def checked(text: str) -> bytes:
    return b'{"sha256": "%s", ' % sha256(text.encode()).encode() + text.encode()


def seen(line: bytes) -> object:
    head = records._head(line)
    if head is None or head[2] is None:
        return head
    split, name, files, failure = head
    return split, name, [[*each] if isinstance(each, tuple) else each for each in files], failure


@given(split=NAMES, name=NAMES, files=FILES, row=ROWS)
@example("train", "a-r00", [("blur/a-r00.png", 7), ("sharp/a-r00.png", 9)], {})
@example("train", "a", [("b.png", 7), ("s.png", 9), ("mask/a.png", 10**14)], {"files": '"row": '})
@example("train", "a", [("blur/é.png", 7), ("s.png", 0)], {})
def test_what_was_written_is_read(split, name, files, row):
    (line,) = record_lines([made_entry(split, {**row, "id": name}, files)]).splitlines(True)
    assert seen(line) == (split, name, [[*each] for each in files], None)
    assert seen(line) == records._parsed(line)


def test_ordinary_lines_are_read_by_the_expression():
    files = [("blur/a (1)-r00.png", 7), ("sharp/a (1)-r00.png", 9), ("mask/a (1)-r00.png", 3)]
    for count in (2, 3):
        line = record_lines([made_entry("train", {"id": "a-r00"}, files[:count])])
        assert records._MADE.match(line.decode("latin-1"))


@given(st.dictionaries(TEXTS, st.recursive(LEAVES, st.lists, max_leaves=4)))
@example({"a": -0.0, "b": 1e22, "c": 5e-324, "d": 2**70, "e": '\\", "row": {', "f": "\\u0000"})
def test_a_row_goes_into_the_list_as_it_was_written(row):
    (line,) = record_lines([made_entry("train", {**row, "id": "a"}, [])]).splitlines(True)
    found, written = records._row_of(line)
    assert (found, written) == ({**row, "id": "a"}, jsonl_line({**row, "id": "a"}))
    assert list(found) == [*row] if "id" in row else [*row, "id"]


@pytest.mark.parametrize(
    "row",
    [
        *('{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": NaN}', "{}, {}", "{"),
        *("", "[", "9" * 5000 + "x", "[" * 100_000, '{"a": "\xff"}'),
    ],
)
def test_what_no_list_may_hold_is_no_row_whoever_counted_its_checksum(row):
    line = checked(f'"split": "train", "id": "a", "files": [], "row": {row}}}\n')
    assert records._row_of(line.replace(b"\xc3\xbf", b"\xff")) == (None, b"")


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example('"split": "a", "id": "b", "files": [["a", 1], ["b", 2]], "failure": {}, "row": {}}')
@example('"split": "a", "id": "b", "files": [["a", 1], ["b", 2]], "failure": 5}')
def test_any_checked_line_is_read_as_the_parser_reads_it(text):
    assert seen(checked(text)) == records._parsed(checked(text))


@given(st.tuples(*[st.sampled_from(PIECES)] * 4), st.sampled_from(PIECES) | st.just(""))
@example(('"train"', '"a"', '[["a", 1], ["b", 2]]', "{}"), "")
def test_checked_lines_of_the_right_shape_too(values, before):
    line = checked('"split": ' + before + SHAPE.format(*values))
    assert seen(line) == records._parsed(line)


@given(st.data())
def test_damage_is_seen_wherever_it_is(data):
    files = [("blur/a-r00.png", 7), ("sharp/a-r00.png", 9)]
    line = record_lines([made_entry("train", {"id": "a-r00", "stream": "[1]"}, files)])
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[at]))
    flipped = line[:at] + bytes([byte]) + line[at + 1 :]
    cut, doubled = line[:at], line[:at] + line[at:][:1] * 2 + line[at + 1 :]
    for damaged in (flipped, cut, doubled):
        assert seen(damaged) is records._parsed(damaged) is None


@pytest.mark.parametrize("failure", [None, 5, "why", []])
def test_a_failure_that_is_no_object_is_no_entry(failure):
    entry = {"split": "train", "id": "a", "files": [], "failure": failure}
    assert seen(record_lines([entry])) is None


@pytest.mark.parametrize("harm", ["lost", "cut", "grown", "folder", "whole"])
@pytest.mark.parametrize("kind", ["blur", "sharp", "mask"])
def test_each_picture_of_a_pair_is_asked_for(tmp_path, kind, harm):
    store, pair = Folder(tmp_path), FoundPair("train", "a.png", "b.png")
    names = [f"{each}/{pair.id}.png" for each in ("blur", "sharp", "mask")]
    for name in names:
        store.write(f"train/{name}", b"1234567")
    entry = made_entry("train", {"id": pair.id}, [(name, 7) for name in names])
    store.write(f"{records.RECORDS}/a.jsonl", record_lines([entry]))
    path = tmp_path / f"train/{kind}/{pair.id}.png"
    if harm in ("cut", "grown"):
        path.write_bytes(b"123456" if harm == "cut" else b"12345678")
    elif harm != "whole":
        path.unlink()
    if harm == "folder":
        path.mkdir()
    left = read_records(store, tmp_path, [pair]).left()
    assert left == ([] if harm == "whole" else [pair])
