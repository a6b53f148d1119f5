"""Small values that expire by themselves: tokens.

They are put even while Redis is full: who may follow a job needs a token. None is longer than a line, and none lives
for more than minutes. A turn is none of them (libs.store.turns).
"""

from __future__ import annotations

from libs.store.client import Store
from libs.store.script import Script

__all__ = ["put_briefly"]

_PUT = Script.of("libs.store", "brief.lua", allow_oom=True)


async def put_briefly(store: Store, key: str, value: str, kept_ms: int) -> None:
    """Put it, for so long. Raises Unavailable."""
    await store.run(_PUT, (key,), (value, kept_ms))
