"""What a job's record says of its prediction is read back as it was written, and nonsense is nothing to go on from."""

from __future__ import annotations

import pytest

from libs.backends.prediction.reference import Made, Over, Reference, Sent, read_reference


@pytest.mark.parametrize("reference", [Sent(1_700_000_000_000), Sent(1, 2), Made(1, "abc"), Made(0, "a:b"), Over()])
def test_a_reference_is_read_back_as_it_was_written(reference: Reference) -> None:
    assert read_reference(str(reference)) == reference


@pytest.mark.parametrize("text", ["", "made", "made:1:", "made:x:a", "sent:1:", "sent:1:x", "prompt-id"])
def test_nonsense_is_nothing_to_go_on_from(text: str) -> None:
    assert read_reference(text) == Over()
