"""Errors in one line, and whole on request."""

import pytest

from blurbench.errors import DEBUG, UserError, one_line, reason
from blurbench.files import json_document


def caught(call, *arguments):
    with pytest.raises(Exception) as found:  # noqa: PT011
        call(*arguments)
    return found.value


def refuse():
    raise UserError("a.png:\n  not a picture")


def test_what_a_user_did_is_told_as_it_is_and_names_its_file_once():
    error = caught(refuse)
    assert one_line(error) == "a.png: not a picture"
    assert one_line(error, "a.png") == "a.png: not a picture"
    assert one_line(error, "b") == "b: a.png: not a picture"


def test_what_nobody_foresaw_ends_with_our_file_and_line(capsys):
    error = caught(json_document, {1, 2})
    frames = error.__traceback__
    while "files.py" not in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    line = frames.tb_lineno
    told = f"a.png: TypeError: Object of type set is not JSON serializable (files.py:{line})"
    assert one_line(error, "a.png") == told
    assert capsys.readouterr().err == ""
    # Not ours: the last file of ours would be none.
    assert one_line(caught(int, "x")).endswith("base 10: 'x'")
    assert one_line(ZeroDivisionError()) == "ZeroDivisionError"


def test_what_another_library_says_is_its_first_line():
    assert reason(ValueError("\nnot a zip file\n  at line 3")) == "not a zip file"
    assert reason(KeyError()) == "KeyError"


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_debugging_shows_the_whole_of_what_nobody_foresaw(value, shown, monkeypatch, capsys):
    monkeypatch.setenv(DEBUG, value)
    one_line(caught(refuse))
    assert capsys.readouterr().err == ""
    for tell in (one_line, reason):
        tell(caught(json_document, {1, 2}))
        assert ("Traceback" in capsys.readouterr().err) == shown
