"""Turns: what one process of all does, for as long as it lives; another takes over seconds after it died."""

from __future__ import annotations

from typing import Final

from libs.store.client import Store
from libs.store.script import Script

__all__ = ["leave_turn", "take_turn"]

_TAKE: Final = Script.of("libs", "store/clock.lua", "store/turn.lua", allow_oom=True)


async def take_turn(store: Store, turn: str, holder: str, term_ms: int) -> bool:
    """Whether it is the holder's turn, for so long from now on. `turn` is the turn's key. Raises Unavailable."""
    return bool(await store.run(_TAKE, (turn,), (holder, term_ms)) == b"mine")


async def leave_turn(store: Store, turn: str, holder: str) -> None:
    """Let somebody else take it at once. Raises Unavailable."""
    told = await store.call("GET", turn)
    if told is not None and told.partition(b" ")[0] == holder.encode():
        await store.call("DEL", turn)
