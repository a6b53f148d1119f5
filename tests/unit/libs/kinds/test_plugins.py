from __future__ import annotations

import re
from importlib.metadata import EntryPoint

import pytest

from libs.kinds import KINDS
from libs.kinds.plugins import GROUP, with_plugins


def plugin(value: str) -> EntryPoint:
    return EntryPoint("theirs", value, GROUP)


def test_our_kinds_are_on_offer_by_their_names() -> None:
    assert {"generate", "ocr"} <= set(KINDS)
    assert all(name == kind.name for name, kind in KINDS.items())


def test_a_plugin_that_is_no_kind_is_named() -> None:
    with pytest.raises(TypeError, match=re.escape("theirs = libs.kinds.plugins:GROUP")):
        with_plugins([], [plugin("libs.kinds.plugins:GROUP")])


def test_a_name_can_be_given_once() -> None:
    ours = [KINDS["ocr"]]
    with pytest.raises(ValueError, match="second kind named ocr"):
        with_plugins(ours, [plugin("libs.kinds.ocr:KIND")])
