"""Documents that say whether they were changed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.errors import UserError
from blurbench.files import json_document
from blurbench.schemas.seals import refuse_broken, refuse_unsealed, sealed

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abé"), inner),
    max_leaves=8,
)


def plain(value):
    return json.dumps(value, sort_keys=True)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES), VALUES)
def test_what_a_file_gives_back_is_whole_and_nothing_else_is(document, other):
    found = json.loads(json_document(sealed(document)))
    refuse_broken(found, "a", "mend it")
    assert list(sealed(found).items()) == list(found.items())
    if "a" not in found or plain(found["a"]) != plain(other):
        with pytest.raises(UserError, match=r"^a: was changed since it was written; mend it$"):
            refuse_broken({**found, "a": other}, "a", "mend it")


@pytest.mark.parametrize("seal", [None, 7, "", [], "0" * 16])
def test_any_other_seal_is_broken(seal):
    with pytest.raises(UserError, match="was changed"):
        refuse_broken({"a": 1, "check": seal}, "a", "mend it")


def test_what_has_no_seal_is_told_once(capsys):
    for _ in range(2):
        refuse_broken({"a": 1}, "unsealed.json", "mend it")
    told = "unsealed.json: written before there were checks: unchecked\n"
    assert capsys.readouterr().err == told
    with pytest.raises(UserError, match="a: is no object; mend it"):
        refuse_broken([], "a", "mend it")


def test_what_always_had_a_seal_needs_one():
    refuse_unsealed(sealed({"a": 1}), "a", "mend it")
    with pytest.raises(UserError, match="a: has lost its check; mend it"):
        refuse_unsealed({"a": 1}, "a", "mend it")
    with pytest.raises(UserError, match="a: is no object"):
        refuse_unsealed([1], "a", "mend it")
