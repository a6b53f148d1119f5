"""An item's line: read back as it was written, by this version and by its neighbours."""

from __future__ import annotations

import orjson
import pytest

from libs.batches.items import Item

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "item", [Item({"n": 1}, 2), Item({"n": 1}, 2, "store", {"row": "a"}, "needs", DIGEST), Item({}, 1, result=DIGEST)]
)
def test_an_item_is_read_back_as_it_was_written(item: Item) -> None:
    assert Item.from_line(item.as_line()) == item


def test_an_item_that_takes_no_part_in_known_results_has_the_line_that_it_always_had() -> None:
    assert orjson.loads(Item({"n": 1}, 2).as_line()) == {"input": {"n": 1}, "units": 2}


def test_lines_of_other_versions_are_read() -> None:
    assert Item.from_line(b'{"input":{"n":1},"units":2}').result is None
    assert Item.from_line(b'{"input":{"n":1},"units":2,"colour":"red"}') == Item({"n": 1}, 2)
