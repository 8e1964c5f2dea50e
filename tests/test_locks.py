import pytest

from blurbench.errors import UserError
from blurbench.locks import locked


def test_a_locked_folder_has_one_writer_at_a_time(tmp_path):
    folder = tmp_path / "deep" / "out"
    with locked(folder), pytest.raises(UserError, match="another process is writing"):
        locked(folder).__enter__()
    with locked(folder):
        pass
