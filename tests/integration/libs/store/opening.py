"""The types of fixtures that open things."""

from __future__ import annotations

from typing import Protocol

from libs.store.client import Store
from tests.integration.libs.store.redis_process import RedisProcess
from tests.patience import PATIENCE_S


class NewStore(Protocol):
    async def __call__(self, url: str, *, timeout_s: float = PATIENCE_S) -> Store: ...


class StartServer(Protocol):
    def __call__(self, *flags: str, **options: str) -> RedisProcess: ...
