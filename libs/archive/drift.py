"""What lies in the bucket for each user against what is counted for them, as the walk goes by.

The counters are what a plan's ceiling is held against, the bucket is what is paid for. They always differ a little:
attempts that lost their job store what nobody counts, uploads are counted before they arrive, and artifacts leave the
counter at the end of a day and the bucket some hours later. They differ much when somebody stores past the counter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from libs.artifacts.objects import ObjectFacts
from libs.artifacts.storage import stored_bytes
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["Drift", "end_round", "last_drift", "note_page"]

_log = logging.getLogger(__name__)

#: Less than this is no news of a single user.
_TOLD_BYTES_MIN = 64 * 1024 * 1024
_ID_AT = 4  # where the id stands in user/yyyy/mm/dd/id/…


@dataclass(frozen=True, slots=True)
class Drift:
    """Over all users with objects: bytes in the bucket that are not counted, and bytes counted that are not there."""

    more: int
    fewer: int


async def note_page(store: Store, page: Sequence[ObjectFacts]) -> None:
    """The next objects of the walk, in order of name, so user by user. Raises Unavailable."""
    user_id, size, more, fewer = await _state(store)
    for facts in page:
        whose, *rest = facts.name.split("/")
        if whose != user_id:
            more, fewer = await _compared(store, user_id, size, Drift(more, fewer))
            user_id, size = whose, 0
        # Results of batches are in no counter.
        if len(rest) > _ID_AT and any(is_id(rest[_ID_AT - 1], kind) for kind in ("job", "upload")):
            size += facts.size_bytes
    fields = ("drift_user", user_id, "drift_bytes", size, "drift_more", more, "drift_fewer", fewer)
    await store.call("HSET", store.keys.walk, *fields)


async def end_round(store: Store) -> None:
    """The walk has seen everything: what it found is what is told from now on. Raises Unavailable."""
    user_id, size, more, fewer = await _state(store)
    more, fewer = await _compared(store, user_id, size, Drift(more, fewer))
    await store.call("HDEL", store.keys.walk, "drift_user", "drift_bytes", "drift_more", "drift_fewer")
    await store.call("HSET", store.keys.walk, "told_more", more, "told_fewer", fewer)


async def last_drift(store: Store) -> Drift | None:
    """What the last round that was finished has found; None before the first. Raises Unavailable."""
    more, fewer = await store.call("HMGET", store.keys.walk, "told_more", "told_fewer")
    return None if more is None else Drift(int(more), int(fewer))


async def _state(store: Store) -> tuple[str, int, int, int]:
    fields = ("drift_user", "drift_bytes", "drift_more", "drift_fewer")
    user_id, *numbers = await store.call("HMGET", store.keys.walk, *fields)
    size, more, fewer = (int(number or 0) for number in numbers)
    return (user_id or b"").decode(), size, more, fewer


async def _compared(store: Store, user_id: str, size: int, before: Drift) -> tuple[int, int]:
    if not is_id(user_id, "usr"):
        return before.more, before.fewer
    counted = await stored_bytes(store, user_id)
    if abs(size - counted) >= _TOLD_BYTES_MIN:
        _log.warning("user %s: %d bytes in the bucket, %d counted", user_id, size, counted)
    return before.more + max(0, size - counted), before.fewer + max(0, counted - size)
