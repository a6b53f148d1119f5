"""How many bytes of a user's records Redis holds, and counting them anew.

The scripts that write and remove records keep the sum, so it is wrong only after a record was left to expire, which
one of a finished job is when nothing is archived for a month.
"""

from __future__ import annotations

from libs.jobs.scripts import RECOUNT
from libs.store.client import Store

__all__ = ["record_bytes", "recount"]

#: A user who has more records is not counted: it would hold up everybody for too long.
_RECORDS_MAX = 100_000


async def record_bytes(store: Store, user_id: str) -> int:
    """Bytes of the user's jobs and batches. Raises Unavailable."""
    return int(await store.call("GET", store.keys.record_bytes + user_id) or 0)


async def recount(store: Store, user_id: str, *, look: bool = False, most: int = _RECORDS_MAX) -> tuple[int, int]:
    """The sum as it was kept and as it is, and is from now on, unless to `look` is all. Raises Unavailable.

    Both are 0 for a user with too many records.
    """
    reply = await store.run(RECOUNT, (), (user_id, most, "1" if look else ""))
    return (int(reply[0]), int(reply[1])) if reply else (0, 0)
