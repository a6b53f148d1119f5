"""What a caller sees of an item."""

from __future__ import annotations

from typing import Any

from libs import limits
from libs.batches.view import item_view

OLDER: dict[str, Any] = {"index": 0, "status": "succeeded", "output": {"text": "a"}, "output_bytes": 12}


def test_a_result_that_an_older_version_stored_was_not_known() -> None:
    assert item_view(OLDER)["cached"] is False
    assert item_view(OLDER | {"cached": True})["cached"] is True


def test_a_large_output_is_left_to_the_job_unless_the_item_is_wanted_whole() -> None:
    at_most, larger = (OLDER | {"output_bytes": limits.BATCH_OUTPUT_BYTES_MAX + more} for more in (0, 1))
    assert item_view(at_most)["output"] == {"text": "a"}
    assert item_view(larger)["output"] is None
    assert item_view(larger, whole=True)["output"] == {"text": "a"}
