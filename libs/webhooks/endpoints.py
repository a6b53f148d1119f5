"""Endpoints in Redis: create, list, find, change, rotate, delete; and the one of jobs' and batches' own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from libs import limits
from libs.errors import Refusal
from libs.ids import is_id, new_id
from libs.store.client import Store
from libs.webhooks.endpoint import Endpoint, read_endpoint
from libs.webhooks.scripts import CREATE, DELETE, FORGET, ROTATE, UPDATE
from libs.webhooks.secrets import SecretName, Secrets

__all__ = [
    "DEFAULT",
    "create_endpoint",
    "delete_endpoint",
    "erase_webhooks",
    "find_endpoint",
    "list_endpoints",
    "load_endpoint",
    "open_default",
    "rotate_secret",
    "update_endpoint",
]

#: What callers call the endpoint of their jobs' and batches' own webhooks.
DEFAULT: Final = "default"

_FIRST = 1
_PAGE = 500


async def create_endpoint(
    store: Store,
    secrets: Secrets,
    user_id: str,
    *,
    url: str,
    events: tuple[str, ...],
    description: str,
    token: str | None,
) -> Endpoint:
    """A new endpoint; refuses with `conflict` when the user has as many as there may be."""
    endpoint_id = new_id("whk")
    members = {
        "url": url,
        "events": " ".join(events),
        "description": description,
        "token": _sealed(secrets, token, user_id),
        "secret": str(SecretName(_FIRST, secrets.pepper)),
    }
    outcome = await store.run(CREATE, (), (user_id, endpoint_id, limits.WEBHOOKS_MAX, *_words(members)))
    if outcome == b"conflict":
        raise Refusal("conflict", f"You have {limits.WEBHOOKS_MAX} webhook endpoints, and no more are possible")
    if outcome == b"not_found":
        raise Refusal("invalid_token")
    return await load_endpoint(store, user_id, endpoint_id)


async def list_endpoints(store: Store, user_id: str, *, limit: int, before: str = "") -> list[Endpoint]:
    """At most `limit` endpoints of a user, newest first, from behind the endpoint `before`."""
    start = f"({before}" if before else "+"
    ids = await store.call("ZREVRANGEBYLEX", store.keys.user_webhooks + user_id, start, "-", "LIMIT", 0, limit)
    found = await asyncio.gather(*[find_endpoint(store, endpoint_id.decode()) for endpoint_id in ids])
    return [endpoint for endpoint in found if endpoint is not None]


async def find_endpoint(store: Store, endpoint_id: str) -> Endpoint | None:
    """The endpoint of that id, whosever it is; a user's id names that of their jobs."""
    record = await store.call("HGETALL", store.keys.webhook + endpoint_id)
    return read_endpoint(endpoint_id, record) if b"secret" in record[::2] else None


async def load_endpoint(store: Store, user_id: str, endpoint_id: str) -> Endpoint:
    """The user's endpoint of that id; refuses with `not_found`."""
    endpoint = await find_endpoint(store, endpoint_id) if is_id(endpoint_id, "whk") or endpoint_id == user_id else None
    if endpoint is None or endpoint.user_id != user_id:
        raise _no_endpoint()
    return endpoint


async def open_default(store: Store, secrets: Secrets, user_id: str) -> Endpoint:
    """The endpoint of jobs' and batches' own webhooks, made when it is asked for the first time."""
    record = store.keys.webhook + user_id
    first = str(SecretName(_FIRST, secrets.pepper))
    *_, stored = await asyncio.gather(
        store.call("HSETNX", record, "user", user_id),
        store.call("HSETNX", record, "secret", first),
        store.call("HGETALL", record),
    )
    return read_endpoint(user_id, stored)


async def update_endpoint(
    store: Store,
    secrets: Secrets,
    user_id: str,
    endpoint_id: str,
    *,
    enabled: bool | None = None,
    token: str | None = None,
    changes: Mapping[str, str],
) -> Endpoint:
    """Change members of an endpoint, its token (an empty one takes it away) and whether it is enabled."""
    members = dict(changes)
    if token is not None:
        members["token"] = _sealed(secrets, token, user_id)
    word = {None: "", True: "enable", False: "disable"}[enabled]
    if await store.run(UPDATE, (), (user_id, endpoint_id, word, *_words(members))) == b"not_found":
        raise _no_endpoint()
    return await load_endpoint(store, user_id, endpoint_id)


async def rotate_secret(store: Store, secrets: Secrets, user_id: str, endpoint_id: str) -> Endpoint:
    """The endpoint with its next secret; the one before counts for another day."""
    overlap_ms = limits.WEBHOOK_OVERLAP_S * 1000
    if await store.run(ROTATE, (), (user_id, endpoint_id, secrets.pepper, overlap_ms)) == b"not_found":
        raise _no_endpoint()
    return await load_endpoint(store, user_id, endpoint_id)


async def delete_endpoint(store: Store, user_id: str, endpoint_id: str) -> None:
    """Delete an endpoint and all that was or is to be delivered to it; refuses with `not_found`."""
    if await store.run(DELETE, (), (user_id, endpoint_id)) == b"not_found":
        raise _no_endpoint()
    await _forget_deliveries(store, endpoint_id)


async def erase_webhooks(store: Store, user_id: str) -> None:
    """Everything of a user's: endpoints, deliveries, logs. May be cut short anywhere, and done again."""
    while ids := await store.call("ZRANGE", store.keys.user_webhooks + user_id, 0, _PAGE - 1):
        for endpoint_id in ids:
            await _forget_deliveries(store, endpoint_id.decode())
            await store.run(DELETE, (), (user_id, endpoint_id))
            await store.call("ZREM", store.keys.user_webhooks + user_id, endpoint_id)
    await _forget_deliveries(store, user_id)
    await store.call("DEL", store.keys.webhook + user_id, store.keys.webhook_wants + user_id)


async def _forget_deliveries(store: Store, endpoint_id: str) -> None:
    while await store.run(FORGET, (), (endpoint_id, _PAGE)):
        pass


def _sealed(secrets: Secrets, token: str | None, user_id: str) -> str:
    return secrets.seal(token, user_id) if token else ""


def _words(members: Mapping[str, str]) -> list[str]:
    return [word for member in members.items() for word in member]


def _no_endpoint() -> Refusal:
    return Refusal("not_found", "There is no such webhook endpoint")
