"""Users' sets against their jobs: what stands in a set and has no business there would take a place for ever."""

from __future__ import annotations

from libs.jobs.queues import QUEUES
from libs.jobs.scripts import MEND
from libs.store.client import Store

__all__ = ["mend_sets"]

_USERS_AT_ONCE = 50
_MEMBERS_AT_ONCE = 50


async def mend_sets(store: Store, start: int) -> tuple[int, int]:
    """Look at the sets of fifty users, from that place in their list on: how many members were taken out of them, and
    the place to go on from (0 after the last). Of a large set some are looked at each time. Raises Unavailable.
    """
    users = await store.call("ZRANGE", store.keys.users, start, start + _USERS_AT_ONCE - 1)
    mended = 0
    for user_id in users:
        mended += await store.run(MEND, (), (user_id, _MEMBERS_AT_ONCE, *QUEUES))
    return mended, start + len(users) if len(users) == _USERS_AT_ONCE else 0
