from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.errors import pointer


def test_pointers_are_escaped_twice_for_json_pointer_and_for_the_fragment() -> None:
    assert pointer(()) == "#"
    assert pointer(("a/b~c", 0, "x y%")) == "#/a~1b~0c/0/x%20y%25"


@given(st.lists(st.text()))
def test_whatever_a_member_is_called_the_pointer_is_a_short_ascii_fragment(path: list[str]) -> None:
    found = pointer(path)
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found
    assert found.count("/") == len(path)
