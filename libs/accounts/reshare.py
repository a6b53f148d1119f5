"""Changed limits reach what waits already: a user's shares get the weight and the slots of their plan as it is now."""

from __future__ import annotations

import asyncio

from libs.access.plans import Plans
from libs.access.users import list_users
from libs.jobs.queues import QUEUES
from libs.jobs.scripts import RESHARE
from libs.store.client import Store

__all__ = ["reshare_plan", "reshare_user"]

_PAGE = 200


async def reshare_user(store: Store, plans: Plans, user_id: str) -> None:
    """For one user. Whoever changes them meanwhile is not overruled: then it is worked out anew."""
    outcome = b"changed"
    while outcome == b"changed":
        plan, overrides = await store.call("HMGET", store.keys.user + user_id, "plan", "overrides")
        if plan is None:
            return
        changed = await store.call("HGET", store.keys.plans, plan) or b""
        limits = plans.limits_of(plan.decode(), changed, overrides)
        seen = (user_id, plan, overrides, changed)
        outcome = await store.run(RESHARE, (), (*seen, limits.weight, limits.slots, *QUEUES))


async def reshare_plan(store: Store, plans: Plans, plan: str) -> None:
    """For every user of a plan, in pages of 200. Whom it does not get to, their next submission does it for."""
    after = ""
    while page := await list_users(store, limit=_PAGE, after=after):
        await asyncio.gather(*[reshare_user(store, plans, user.id) for user in page if user.plan == plan])
        after = page[-1].id
