"""Users in Redis: create, find, list, update."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from libs.access.plan import DEFAULT_PLANS
from libs.access.scripts import CREATE_USER, LIST_USERS, UPDATE_USER
from libs.access.user import User, UserStatus
from libs.errors import Refusal, invalid
from libs.ids import is_id, new_id
from libs.store.client import Store

__all__ = ["create_user", "email_digest", "list_users", "load_user", "load_user_by_email", "update_user"]


async def create_user(store: Store, email: str, plan: str, overrides: Mapping[str, int | None] | None = None) -> User:
    """Store a new user. Refuses with `conflict` when the address, in whatever case, has one, and an unknown plan."""
    user_id, replaced = new_id("usr"), overrides or {}
    arguments = (user_id, email_digest(email), email, plan, _built_in(plan), orjson.dumps(replaced))
    reply = await store.run(CREATE_USER, (), arguments)
    match reply[0]:
        case b"conflict":
            raise Refusal("conflict", "A user with this e-mail address exists already")
        case b"unknown_plan":
            raise _unknown_plan(plan)
    return User(user_id, email, plan, int(reply[1]), overrides=replaced)


async def load_user(store: Store, user_id: str) -> User:
    """The user of that id; refuses with `not_found`."""
    record = await store.call("HGETALL", store.keys.user + user_id) if is_id(user_id, "usr") else None
    if not record:
        raise _no_user(user_id)
    return read_user(user_id, record)


async def load_user_by_email(store: Store, email: str) -> User:
    """The user of that address, in whatever case; refuses with `not_found`."""
    user_id = await store.call("GET", store.keys.email + email_digest(email))
    if user_id is None:
        raise _no_user(email)
    return await load_user(store, user_id.decode())


async def list_users(store: Store, *, limit: int, after: str = "") -> list[User]:
    """At most `limit` users, newest first, from behind the user `after`."""
    return [read_user(user_id.decode(), record) for user_id, record in await store.run(LIST_USERS, (), (after, limit))]


async def update_user(
    store: Store,
    user_id: str,
    *,
    plan: str | None = None,
    overrides: Mapping[str, int | None] | None = None,
    status: UserStatus | None = None,
) -> User:
    """Change what is not None; it counts for the next request everywhere. Refuses `not_found` and an unknown plan."""
    if not is_id(user_id, "usr"):
        raise _no_user(user_id)
    new_overrides = b"" if overrides is None else orjson.dumps(overrides)
    reply = await store.run(UPDATE_USER, (), (user_id, plan or "", _built_in(plan), new_overrides, status or ""))
    match reply[0]:
        case b"not_found":
            raise _no_user(user_id)
        case b"unknown_plan":
            raise _unknown_plan(plan or "")
    return read_user(user_id, reply[1])


def email_digest(email: str) -> str:
    """What an address is found under. Case is ignored, as every mail host does in practice (RFC 5321, 2.4)."""
    return hashlib.sha256(email.strip().casefold().encode()).hexdigest()


def read_user(user_id: str, record: Sequence[bytes]) -> User:
    """A user from their record (the reply to HGETALL); fields that a newer version wrote are ignored."""
    stored = dict(zip(record[::2], record[1::2], strict=True))
    return User(
        id=user_id,
        email=stored[b"email"].decode(),
        plan=stored[b"plan"].decode(),
        created_at_ms=int(stored[b"created"]),
        status=cast("UserStatus", stored[b"status"].decode()),
        overrides=cast("dict[str, Any]", orjson.loads(stored[b"overrides"])),
    )


def _built_in(plan: str | None) -> str:
    return "1" if plan in DEFAULT_PLANS else "0"


def _no_user(user_id: str) -> Refusal:
    return Refusal("not_found", f"There is no user {user_id}")


def _unknown_plan(plan: str) -> Refusal:
    return invalid("#/role", f"There is no plan {plan}", "unknown_plan")
