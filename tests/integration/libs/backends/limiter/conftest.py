"""Limiters on a minute that is short."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from libs.backends.limiter import Limiter, Rule
from libs.store.client import Store

MakeLimiter = Callable[..., Limiter]


@pytest.fixture
def make(store: Store) -> MakeLimiter:
    """A limiter of 60 requests in 6 s, with changes to its rule: one may start every 100 ms and a bit."""

    def limiter(name: str = "provider:create", **changes: float | None) -> Limiter:
        return Limiter(store, name, Rule(**{"per_minute": 60, "window_s": 6.0, "arrives_within_s": 0.5} | changes))  # type: ignore[arg-type]

    return limiter
