from __future__ import annotations

import pytest

from libs.jobs.view import stamp


@pytest.mark.parametrize(
    "at_ms, text",
    [(0, "1970-01-01T00:00:00.000Z"), (1_795_302_720_123, "2026-11-21T23:12:00.123Z"), (None, None)],
)
def test_times_are_rfc_3339_in_utc_to_the_millisecond(at_ms: int | None, text: str | None) -> None:
    assert stamp(at_ms) == text
