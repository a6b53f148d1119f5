"""The log of an endpoint: what is on its way, what has arrived, what was given up; and delivering it once more."""

from __future__ import annotations

import asyncio
import os

from libs.errors import Refusal
from libs.ids import is_id
from libs.store.client import Store
from libs.webhooks.delivery import Delivery, read_delivery
from libs.webhooks.event import PING
from libs.webhooks.scripts import REDELIVER, SEND

__all__ = ["count_pending", "list_deliveries", "load_delivery", "redeliver", "send_ping"]


async def list_deliveries(
    store: Store, endpoint_id: str, *, limit: int, before: str = ""
) -> tuple[list[Delivery], str | None]:
    """Deliveries to an endpoint, newest first, from behind the delivery `before`; and where to go on from.

    Those whose records have lapsed are taken out of the log: a page may be short and still have more behind it.
    """
    log, start = store.keys.deliveries + endpoint_id, f"({before}" if before else "+"
    reply = await store.call("ZREVRANGEBYLEX", log, start, "-", "LIMIT", 0, limit + 1)
    ids = [delivery_id.decode() for delivery_id in reply]
    found = await asyncio.gather(*[_find(store, delivery_id) for delivery_id in ids[:limit]])
    gone = [delivery_id for delivery_id, delivery in zip(ids, found, strict=False) if delivery is None]
    if gone:
        ended = store.keys.delivered + endpoint_id
        await asyncio.gather(store.call("ZREM", log, *gone), store.call("ZREM", ended, *gone))
    return [delivery for delivery in found if delivery is not None], ids[limit - 1] if len(ids) > limit else None


async def load_delivery(store: Store, endpoint_id: str, delivery_id: str) -> Delivery:
    """A delivery to this endpoint; refuses with `not_found`."""
    delivery = await _find(store, delivery_id) if is_id(delivery_id, "msg") else None
    if delivery is None or delivery.endpoint_id != endpoint_id:
        raise _no_delivery()
    return delivery


async def redeliver(store: Store, user_id: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """Have it delivered once more, under the id that it has; refuses `not_found`, and `conflict` where it cannot be."""
    if not is_id(delivery_id, "msg"):
        raise _no_delivery()
    match await store.run(REDELIVER, (), (user_id, endpoint_id, delivery_id)):
        case b"not_found":
            raise _no_delivery()
        case b"disabled":
            raise _disabled()
        case b"full":
            raise _full()
    return await load_delivery(store, endpoint_id, delivery_id)


async def send_ping(store: Store, user_id: str, endpoint_id: str) -> Delivery:
    """Have an endpoint told of nothing, to see whether it hears; refuses as `redeliver` does."""
    outcome, *more = await store.run(SEND, (), (user_id, endpoint_id, PING, endpoint_id, os.urandom(16)))
    match outcome:
        case b"not_found":
            raise Refusal("not_found", "There is no such webhook endpoint")
        case b"disabled":
            raise _disabled()
        case b"full":
            raise _full()
    return await load_delivery(store, endpoint_id, more[0].decode())


async def count_pending(store: Store, endpoint_id: str) -> int:
    """How many deliveries of an endpoint have neither arrived nor been given up."""
    logged, ended = await asyncio.gather(
        store.call("ZCARD", store.keys.deliveries + endpoint_id),
        store.call("ZCARD", store.keys.delivered + endpoint_id),
    )
    return max(0, int(logged) - int(ended))


async def _find(store: Store, delivery_id: str) -> Delivery | None:
    record = await store.call("HGETALL", store.keys.delivery + delivery_id)
    return read_delivery(delivery_id, record) if record else None


def _no_delivery() -> Refusal:
    return Refusal("not_found", "There is no such delivery")


def _disabled() -> Refusal:
    return Refusal("conflict", "The webhook endpoint is disabled: enable it first")


def _full() -> Refusal:
    return Refusal("conflict", "So many deliveries wait for this receiver that no more are taken")
