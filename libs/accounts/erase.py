"""Erasing a user on request: jobs, files, usage, api keys, address and record. What admins did stays in the audit log.

The user is shut out at once (see `libs.access.users.begin_erasure`). The rest may take longer than a request: running
jobs are to be stopped first, files are many. So it is done in passes, each of which may be cut short anywhere; the
sweep of the workers goes on until nothing is left.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import get_args

from libs.access.user import User
from libs.access.users import end_erasure, load_user
from libs.accounts.usage import DAYS_MAX, MONTHS_MAX, days, months, today
from libs.admission.rate import Bucket
from libs.archive.erasure import erase_archive
from libs.artifacts.erasure import erase_uploads
from libs.artifacts.objects import Objects
from libs.artifacts.storage import forget_stored
from libs.batches.cancel import cancel_batch
from libs.errors import Refusal
from libs.jobs.lifecycle import cancel
from libs.jobs.queues import QUEUES
from libs.jobs.scripts import FORGET_BATCH, FORGET_JOBS
from libs.store.client import Store
from libs.webhooks.endpoints import erase_webhooks

__all__ = ["erase_some", "erase_user"]

_PAGE = 200
_USERS_AT_ONCE = 5


async def erase_some(store: Store, objects: Objects) -> int:
    """One pass over users who are being erased, the longest first; how many are gone. Raises Unavailable."""
    gone = 0
    for user_id in await store.call("ZRANGE", store.keys.erasing, 0, _USERS_AT_ONCE - 1):
        gone += await erase_user(store, objects, user_id.decode())
    return gone


async def erase_user(store: Store, objects: Objects, user_id: str) -> bool:
    """One pass for a user whose erasure has begun; whether nothing is left. Raises Unavailable."""
    try:
        user = await load_user(store, user_id)
    except Refusal:
        return True
    if user.status != "erasing":
        raise ValueError(f"the erasure of {user_id} has not begun")
    batches_gone = await _batches_gone(store, user_id)
    if not await _jobs_gone(store, user_id) or not batches_gone:
        return False
    await _forget_comparisons(store, user_id)
    await erase_uploads(store, objects, user_id)
    await erase_archive(objects, user_id)
    await objects.remove_all(f"{user_id}/")
    await forget_stored(store, user_id)
    await erase_webhooks(store, user_id)
    await _forget_usage(store, user)
    await end_erasure(store, user)
    return True


async def _jobs_gone(store: Store, user_id: str) -> bool:
    """Cancel what is unfinished and forget the rest; False while a job is still being stopped."""
    unfinished, after = 0, "-"
    while page := await store.call("ZRANGEBYLEX", store.keys.jobs + user_id, after, "+", "LIMIT", 0, _PAGE):
        ids = [job_id.decode() for job_id in page]
        await asyncio.gather(*[cancel(store, user_id, job_id) for job_id in ids])
        unfinished += await store.run(FORGET_JOBS, (), (user_id, *ids))
        after = f"({ids[-1]}"
    return unfinished == 0


async def _batches_gone(store: Store, user_id: str) -> bool:
    """Cancel what is unfinished, so that it makes no more jobs, and forget the rest; False while any is unfinished."""
    gone = True
    for batch_id in await store.call("ZRANGE", store.keys.batches + user_id, 0, -1):
        await cancel_batch(store, user_id, batch_id.decode())
        gone &= await store.run(FORGET_BATCH, (), (batch_id, user_id)) == b"forgotten"
    return gone


async def _forget_comparisons(store: Store, user_id: str) -> None:
    index = store.keys.comparisons + user_id
    while page := await store.call("ZRANGE", index, 0, _PAGE - 1):
        await store.call("DEL", *[store.keys.comparison + comparison_id.decode() for comparison_id in page])
        await store.call("ZREM", index, *page)


async def _forget_usage(store: Store, user: User) -> None:
    """Counters, ledger, shares and buckets: their names are known, so nothing is searched for."""
    keys, tomorrow = store.keys, await today(store) + timedelta(days=1)  # it may begin meanwhile
    names = [
        *[period.key(store, user.id) for period in days(tomorrow, DAYS_MAX + 2)],
        *[period.key(store, user.id) for period in months(tomorrow, MONTHS_MAX + 2)],
        *[f"{keys.share}{user.id}:{queue}" for queue in QUEUES],
        *[f"{keys.rate}{user.id}:{bucket}" for bucket in get_args(Bucket)],
        keys.ledger + user.id,
        keys.finished + user.id,
        keys.record_bytes + user.id,
    ]
    await store.call("DEL", *names)
    await store.call("ZREM", keys.archiving, user.id)
