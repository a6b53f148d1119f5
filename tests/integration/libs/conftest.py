"""A store on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.fakes.clock import START_MS, ClockedStore
from tests.patience import PATIENCE_S
from tests.servers import RedisServer


@pytest.fixture
async def clocked(valkey: RedisServer) -> AsyncIterator[ClockedStore]:
    """A store on the session's Redis, which is empty; its time stands still until the test lets it pass."""
    store = ClockedStore(parse_url(valkey.url), Keyspace.with_prefix("arqade"), timeout_s=PATIENCE_S)
    await store.travel_to(START_MS)
    yield store
    await store.close()
