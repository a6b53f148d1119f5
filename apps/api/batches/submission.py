"""Submitting a batch: from its items to an admitted batch and its first jobs."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace

from apps.api.attempting import attempts_due
from apps.api.batches.order import BatchEnvelope, Sources, write_items
from apps.api.batches.running import Running
from apps.api.orders.order import idempotency_of, kind_named
from apps.api.orders.webhook import hook_of
from apps.api.request import Request
from libs import limits
from libs.admission.rate import RefusedRate
from libs.batches.admit import BatchAdmission, BatchApplication, Room, admit_batch, look_batch
from libs.batches.batch import Batch
from libs.batches.feed import Rooms, feed
from libs.batches.items import ItemShelf, ItemWriter
from libs.batches.lookup import load_batch
from libs.batches.turns import items_from
from libs.errors import Refusal, Unavailable
from libs.ids import new_id

__all__ = ["SubmittedBatch", "submit_batch"]


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """The batch a request made, now or before."""

    batch: Batch
    replayed: bool


async def submit_batch(
    request: Request, route: str, wanted: BatchEnvelope, sources: Sources, *, items_min: int, digest: str
) -> SubmittedBatch:
    """Store the items, admit the batch, make its first items jobs; refuses what cannot be let in.

    `items_min` is how many items there are at least, `digest` that of the body, `route` scopes the idempotency key.
    """
    settings = request.api.settings
    if not settings.jobs_enabled:
        raise Refusal("feature_disabled", "Jobs are switched off (JOBS_ENABLED)")
    kind = kind_named(wanted.kind)
    application = BatchApplication(
        kind=kind.name,
        queue=kind.queue,
        deadline_s=wanted.deadline_seconds or settings.job_deadline,
        priority=wanted.priority,
        fairness_key=wanted.fairness_key,
        metadata=wanted.metadata,
        idempotency=idempotency_of(request, route),
        fingerprint=hashlib.sha256(f"{route} {digest}".encode()).hexdigest(),
        traceparent=request.traceparent,
        hook=await hook_of(request, wanted.webhook) if wanted.webhook else None,
    )
    rules = (request.resources.queue_rule, request.api.rate_rule)
    try:
        looked = await look_batch(request.home, request.caller, application, *rules, items=items_min)
        if isinstance(looked, BatchAdmission):
            admission = looked
        else:
            async with request.api.batch_turns.of(request.caller.user_id), request.api.batch_reads:
                admission = await _write_and_admit(request, route, wanted, sources, application, looked)
    except RefusedRate as refusal:
        request.show(refusal.rates)
        raise
    request.show(admission.rates)
    batch = await load_batch(request.home, request.caller.user_id, admission.batch_id)
    return SubmittedBatch(batch, admission.replayed)


async def _write_and_admit(
    request: Request, route: str, wanted: BatchEnvelope, sources: Sources, application: BatchApplication, room: Room
) -> BatchAdmission:
    resources, caller, batch_id = request.resources, request.caller, new_id("batch")

    async def look(units: int) -> Room:
        rules = (resources.queue_rule, request.api.rate_rule)
        looked = await look_batch(request.home, caller, application, *rules, items=units)
        return looked if isinstance(looked, Room) else room  # the same request has come in meanwhile: admission says so

    writer = ItemWriter(request.home, resources.objects, caller.user_id, batch_id, wanted.fairness_key)
    unused = True
    try:
        await write_items(request, route, wanted, sources, writer, Running(room, look))
        unused = False  # until an answer is heard, the batch may be there: if it is not, a worker removes its items
        with attempts_due(request) as due:
            admission = await admit_batch(
                request.home,
                caller,
                replace(application, tried=due.before),
                resources.queue_rule,
                request.api.rate_rule,
                batch_id=batch_id,
                items=writer.count,
                units=writer.units,
                items_bytes=writer.bytes,
            )
            due.counted = not admission.replayed
        unused = admission.replayed
    except Refusal:
        unused = True
        raise
    finally:
        if unused:
            with suppress(Unavailable):
                await writer.drop()
    if admission.replayed:
        resources.metrics.replays.inc()
    else:
        resources.metrics.admissions.labels(application.kind).inc(writer.count)
        await _feed_first(request, batch_id, writer)
    return admission


async def _feed_first(request: Request, batch_id: str, writer: ItemWriter) -> None:
    """The first items become jobs at once; a worker sees to the others, and to these when we cannot, or not in time."""
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(limits.BATCH_FIRST_ITEMS_S_MAX):
            await _feed(request, batch_id, writer)


async def _feed(request: Request, batch_id: str, writer: ItemWriter) -> None:
    batch = await load_batch(request.home, request.caller.user_id, batch_id)
    rooms = Rooms(request.resources.queue_rule.size_max)
    objects, plan = request.resources.objects, request.caller.limits
    items = list(enumerate(writer.first))
    if batch.has_turns:
        items = await ItemShelf(objects, batch).items(await items_from(request.home, batch, 0, len(items)))
    fed = await feed(request.home, objects, batch, 0, items, plan, rooms)
    fed.count(request.resources.metrics, batch.kind)
