"""Small values that expire by themselves: turns that are taken, tokens.

They are put even while Redis is full. Whoever sweeps and archives holds a turn, and what they move is what makes room
again; who may follow a job needs a token. None is longer than a line, and none lives for more than minutes.
"""

from __future__ import annotations

from libs.store.client import Store
from libs.store.script import Script

__all__ = ["put_briefly"]

_PUT = Script.of("libs.store", "brief.lua", allow_oom=True)


async def put_briefly(store: Store, key: str, value: str, kept_ms: int, *, only_new: bool = False) -> bool:
    """Put it, with `only_new` where there is none yet; whether it was put. Raises Unavailable."""
    return bool(await store.run(_PUT, (key,), (value, kept_ms, "1" if only_new else "")))
