"""Users in Redis: create, find, list, update, erase."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from libs.access.plans import Plans
from libs.access.scripts import BEGIN_ERASURE, CREATE_USER, END_ERASURE, LIST_USERS, UPDATE_USER
from libs.access.user import User, UserStatus
from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal, invalid
from libs.ids import is_id, new_id
from libs.store.client import Store

__all__ = [
    "begin_erasure",
    "create_user",
    "email_digest",
    "end_erasure",
    "find_user_by_email",
    "list_users",
    "load_user",
    "load_user_by_email",
    "update_user",
]

_DEFAULT = Plans()


async def create_user(
    store: Store,
    email: str,
    plan: str,
    overrides: Mapping[str, int | None] | None = None,
    *,
    plans: Plans = _DEFAULT,
    by: Actor = COMMAND_LINE,
) -> User:
    """Store a new user. Refuses with `conflict` when the address, in whatever case, has one, and an unknown plan."""
    user_id, replaced = new_id("usr"), overrides or {}
    arguments = (user_id, email_digest(email), email, plan, _built_in(plan, plans), orjson.dumps(replaced))
    reply = await store.run(CREATE_USER, (), (*arguments, *by.words))
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
    user = await find_user_by_email(store, email)
    if user is None:
        raise _no_user(email)
    return user


async def find_user_by_email(store: Store, email: str) -> User | None:
    """The user of that address, in whatever case, or None."""
    user_id = await store.call("GET", store.keys.email + email_digest(email))
    return None if user_id is None else await load_user(store, user_id.decode())


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
    plans: Plans = _DEFAULT,
    by: Actor = COMMAND_LINE,
) -> User:
    """Change what is not None; it counts for the next request everywhere.

    Refuses `not_found`, an unknown plan, and `conflict` for a user who is being erased.
    """
    if not is_id(user_id, "usr"):
        raise _no_user(user_id)
    new_overrides = b"" if overrides is None else orjson.dumps(overrides)
    arguments = (user_id, plan or "", _built_in(plan, plans), new_overrides, status or "")
    reply = await store.run(UPDATE_USER, (), (*arguments, *by.words))
    match reply[0]:
        case b"not_found":
            raise _no_user(user_id)
        case b"unknown_plan":
            raise _unknown_plan(plan or "")
        case b"conflict":
            raise Refusal("conflict", "The user is being erased")
    return read_user(user_id, reply[1])


async def begin_erasure(store: Store, user_id: str, by: Actor = COMMAND_LINE) -> None:
    """Shut a user out for good, and note that everything of theirs is to go; again is fine. Refuses `not_found`."""
    if not is_id(user_id, "usr") or await store.run(BEGIN_ERASURE, (), (user_id, *by.words)) == b"not_found":
        raise _no_user(user_id)


async def end_erasure(store: Store, user: User) -> None:
    """Forget a user who is being erased: api keys, address and record. What else they had is gone by now."""
    await store.run(END_ERASURE, (), (user.id, email_digest(user.email)))


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


def _built_in(plan: str | None, plans: Plans) -> str:
    return "1" if plan in plans.base else "0"


def _no_user(user_id: str) -> Refusal:
    return Refusal("not_found", f"There is no user {user_id}")


def _unknown_plan(plan: str) -> Refusal:
    return invalid("#/role", f"There is no plan {plan}", "unknown_plan")
