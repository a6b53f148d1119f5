from __future__ import annotations

import asyncio

import pytest

from libs.backends.breaker.breaker import Call
from libs.errors import Failure, Unavailable


@pytest.mark.parametrize(
    "error, word",
    [
        (None, "success"),
        (Unavailable("provider"), "failure"),
        (TimeoutError(), "failure"),
        (Unavailable("redis"), "unknown"),
        (Unavailable("provider:create"), "unknown"),
        (Failure("invalid", "…"), "unknown"),
        (asyncio.CancelledError(), "unknown"),
        (KeyError(), "unknown"),
    ],
    ids=repr,
)
def test_what_a_call_says_of_its_backend(error: BaseException | None, word: str) -> None:
    assert Call("provider").word(error) == word


def test_a_backend_that_answered_is_well_whatever_is_raised_for_it() -> None:
    call = Call("provider")
    call.answered()
    assert call.word(Unavailable("provider")) == "success"
