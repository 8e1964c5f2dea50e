import errno
import fcntl
import os

import pytest

from blurbench.errors import UserError
from blurbench.files import CannotWrite
from blurbench.locks import is_locked, locked


def test_a_locked_folder_has_one_writer_at_a_time(tmp_path):
    folder = tmp_path / "deep" / "out"
    with locked(folder), pytest.raises(UserError, match="another process is writing"):
        locked(folder).__enter__()
    with locked(folder):
        pass


@pytest.mark.parametrize("name", ["out", "out/.blurbench"])
def test_a_folder_that_cannot_be_written_is_named_as_the_user_named_it(tmp_path, name):
    (tmp_path / "out").touch()  # a file where a folder is to be
    with pytest.raises(CannotWrite) as error, locked(tmp_path / name):
        pass
    assert error.value.filename == str(tmp_path / "out")


def test_a_file_system_without_locks_is_told_with_the_mend(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (
        pytest.raises(UserError, match=r"out: this file system locks no files \(No locks avail"),
        locked(tmp_path / "out" / ".blurbench"),
    ):
        pass


def test_asking_writes_nothing_and_does_not_wait_for_a_pipe(tmp_path):
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    assert not is_locked(tmp_path)
    with pytest.raises(UserError, match=r"\.lock: is no file"), locked(tmp_path):
        pass
