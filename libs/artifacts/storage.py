"""How much a user stores: uploads as announced, until they are removed; artifacts, until their retention is over.

Every change is made by the script that makes or ends what is counted, so no crash leaves the sum wrong; see
`scripts/stored.lua` for how artifacts free themselves.
"""

from __future__ import annotations

from libs.artifacts.scripts import FORGET_STORED, LOOK_AT_STORED
from libs.errors import Refusal
from libs.store.client import Store

__all__ = ["ALL", "forget_stored", "storage_exceeded", "stored_bytes"]

#: In a user's stead: everybody together.
ALL = "all"
_RETRY_S = 3_600.0


async def stored_bytes(store: Store, user_id: str) -> int:
    """Bytes that a user has in the object store, or `ALL`. Raises Unavailable."""
    return int(float(await store.run(LOOK_AT_STORED, (), (user_id,))))


async def forget_stored(store: Store, user_id: str) -> None:
    """The user is gone, and all that was theirs. Raises Unavailable."""
    await store.run(FORGET_STORED, (), (user_id,))


def storage_exceeded(bytes_max: int | None) -> Refusal:
    """The refusal to who has stored too much."""
    detail = f"At most {bytes_max} bytes of yours may be stored; uploads lapse, and artifacts at the end of retention"
    members = {"violated-policies": ["storage"]}
    return Refusal("storage_exceeded", detail, retry_after_s=_RETRY_S, members=members)
