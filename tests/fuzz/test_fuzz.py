"""No file, however damaged, ends a reader in a traceback, a signal or 20 s of silence.

The same as `make fuzz`, with 200 damaged files a reader and all that was ever found.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import readers

HERE = Path(__file__).parent
EACH = 200


@pytest.mark.parametrize("reader", readers.READERS, ids=lambda reader: reader.name)
def test_valid_files_are_read(reader):
    for data in reader.examples():
        reader.read(data)


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    out = tmp_path_factory.mktemp("fuzz") / "counts.json"
    command = [sys.executable, str(HERE / "fuzz.py"), "--each", str(EACH), "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.is_file(), run.stderr
    return json.loads(out.read_text()), run.stdout


@pytest.mark.slow
def test_every_reader_got_its_inputs(counts):
    found, _ = counts
    assert [*found] == [reader.name for reader in readers.READERS]
    assert all(sum(each.values()) > EACH for each in found.values())
    # Damage that is always refused, or never, tests little.
    assert sum(each["accepted"] > 0 for each in found.values()) == len(found)
    assert sum(each["refused"] > 0 for each in found.values()) > 0.8 * len(found)


@pytest.mark.slow
def test_no_traceback_no_signal_nothing_slow(counts):
    found, told = counts
    bad = ("traceback", "signal", "slow")
    assert sum(each[how] for each in found.values() for how in bad) == 0, told


def test_the_corpus_is_of_readers_there_are():
    sys.path.insert(0, str(HERE))
    from fuzz import folder_of

    sys.path.remove(str(HERE))
    known = {folder_of(reader.name) for reader in readers.READERS}
    assert {path.name for path in (HERE / "corpus").iterdir() if path.is_dir()} <= known


def test_damage_below_checksums_is_still_a_file_of_its_kind():
    sys.path.insert(0, str(HERE))
    import mutate

    sys.path.remove(str(HERE))
    (png, _), chance = readers.examples.picture("png"), random.Random(1)
    made = [mutate.png(png, chance, [png]) for _ in range(50)]
    assert len({*made}) > 40
    assert sum(mutate.png(each, random.Random(2), [png])[:8] == png[:8] for each in made) == 50
