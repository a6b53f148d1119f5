"""Submitting a dead job once more, on an admin's word: neither rate, quota nor a full list of its user's own counts."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from libs.access.caller import Caller
from libs.access.plans import Plans, load_limits
from libs.access.users import load_user
from libs.admission.admit import Application, QueueRule, admit
from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal
from libs.jobs.dead import end_dead, is_foreign, load_dead, revive
from libs.jobs.job import Job
from libs.jobs.lookup import Finder, load_job
from libs.store.client import Store
from libs.webhooks.hook import read_hook

__all__ = ["replay_dead"]

_NO_CEILING = 2**31


async def replay_dead(  # what is asked, where all of it is, and who asks
    store: Store,
    plans: Plans,
    queue_rule: QueueRule,
    job_id: str,
    by: Actor = COMMAND_LINE,
    *,
    find: Finder | None = None,
) -> Job:
    """The new job of the same user and input; `retry_of` names the dead one, which leaves its list.

    However many admins ask at once, there is one new job. Refuses `not_found`; `conflict` when the user is not active;
    what admission refuses for our sake (`queue_full`, `draining`). A foreign job goes back as it was.
    `find` may find archived jobs.
    """
    dead = await load_dead(store, job_id, find)
    if is_foreign(dead):
        return await revive(store, dead, by)
    admission = await admit(store, await _caller_of(store, plans, dead), _again(dead), queue_rule, None)
    await end_dead(store, dead.id, admission.job_id, by)
    return admission.job or await load_job(store, dead.user_id, admission.job_id)


def _again(dead: Job) -> Application:
    return Application(
        kind=dead.kind,
        queue=dead.queue,
        input=dead.input,
        units=dead.units,
        deadline_s=max(1.0, (dead.deadline_at_ms - max(dead.created_at_ms, dead.run_at_ms or 0)) / 1000),
        priority=dead.priority,
        fairness_key=dead.fairness_key,
        metadata=dead.metadata,
        idempotency=hashlib.sha256(f"replay\n{dead.id}".encode()).hexdigest()[:32],
        fingerprint="replay",
        retry_of=dead.id,
        hook=read_hook(dead.webhook, dead.webhook_to),
    )


async def _caller_of(store: Store, plans: Plans, dead: Job) -> Caller:
    """The dead job's user, as if they had sent it again; an empty digest is not looked up."""
    user = await load_user(store, dead.user_id)
    if user.status != "active":
        raise Refusal("conflict", f"The job's user is {user.status}")
    limits = replace(
        await load_limits(store, plans, user),
        units_per_day=None,
        queued_max=_NO_CEILING,
        stored_bytes_max=None,
        records_bytes_max=None,
    )
    return Caller(
        user_id=user.id,
        email=user.email,
        plan=user.plan,
        limits=limits,
        api_key_id=dead.api_key_id,
        api_key_name="",
        digest="",
        scopes=frozenset(),
    )
