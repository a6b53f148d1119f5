from __future__ import annotations

import pytest

from apps.api.orders.trace import read_traceparent

KNOWN = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "header, read",
    [
        (f"00-{KNOWN}", f"00-{KNOWN}"),
        (f"cc-{KNOWN}", f"00-{KNOWN}"),
        (f"cc-{KNOWN}-what-the-future-will-be-like", f"00-{KNOWN}"),
        (f"00-{KNOWN}-more", None),
        (f"cc-{KNOWN}.what", None),
        (f"ff-{KNOWN}", None),
        (f"00-{KNOWN.upper()}", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", None),
        (f"00-{KNOWN[:-1]}", None),
        (f"00-{KNOWN}\n", None),
        (f"00-{KNOWN}\xe9", None),
        (f"\u0660\u0660-{KNOWN}", None),
        ("x" * 30_000, None),
        ("", None),
    ],
)
def test_a_place_in_a_trace_is_read_and_nothing_else(header: str, read: str | None) -> None:
    assert read_traceparent([header]) == read


def test_none_and_two_of_them_are_none() -> None:
    assert read_traceparent([]) is None
    assert read_traceparent([f"00-{KNOWN}", f"00-{KNOWN}"]) is None
