from __future__ import annotations

import pytest

from apps.api.orders.waiting import preferred_wait_s


@pytest.mark.parametrize(
    "headers, wait_s",
    [
        ([], None),
        (["wait=10"], 10),
        (['wait="10"'], 10),
        ([" WAIT = 10 "], 10),
        (["handling=lenient, wait=10"], 10),
        (["handling=lenient", "wait=10"], 10),
        (["wait=10, wait=20"], 10),
        (["wait=60"], 60),
        (["wait=61"], 60),
        (["wait=999999"], 60),
        (["wait=0"], 0),
        (["respond-async"], 0),
        (["Respond-Async"], 0),
        (["respond-async, wait=10"], 0),
        (["wait=10, respond-async"], 0),
        (["wait=10", "respond-async"], 0),
        (["wait"], None),
        (["wait=soon"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=" + "9" * 5_000], None),
        (["return=minimal"], None),
        (["", ",,"], None),
    ],
)
def test_a_preference_is_read_from_all_lines_and_bounded(headers: list[str], wait_s: int | None) -> None:
    assert preferred_wait_s(headers) == wait_s
