"""API keys in Redis: create, list, find, rotate, revoke; and the first one of a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from libs import limits
from libs.access.api_key import SCOPES, ApiKey, digest, hint, mint
from libs.access.pepper import pepper_version
from libs.access.scripts import BOOTSTRAP, CREATE_API_KEY, LIST_API_KEYS, REVOKE_API_KEY, ROTATE_API_KEY
from libs.access.users import email_digest
from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal, invalid
from libs.ids import is_id, new_id
from libs.store.client import Store

__all__ = ["bootstrap", "create_api_key", "list_api_keys", "load_api_key", "revoke_api_key", "rotate_api_key"]


async def create_api_key(
    store: Store,
    pepper: bytes,
    *,
    user_id: str,
    name: str,
    scopes: frozenset[str],
    lives_s: int,
    minter: frozenset[str] = SCOPES,
    random_bytes: int = 32,
    rates: Mapping[str, int] | None = None,
    networks: Sequence[str] = (),
    by: Actor = COMMAND_LINE,
) -> tuple[ApiKey, str]:
    """Store a new api key; also returns its secret, which cannot be had again.

    `minter` is what the one who asks may do: nobody gives more than they have (the command line has everything).
    Refuses unknown and excessive scopes, an unknown user (`not_found`), one key too many (`conflict`).
    """
    _check_scopes(scopes, minter)
    if not is_id(user_id, "usr"):
        raise _no_user(user_id)
    secret = mint(admin="admin" in scopes, random_bytes=random_bytes)
    key_id, hashed, version = new_id("apikey"), digest(secret, pepper), pepper_version(pepper)
    arguments = (key_id, hashed, user_id, name, _joined(scopes), hint(secret), lives_s * 1000, limits.API_KEYS_MAX)
    more = ["pepper", version, *_members(rates or {}, networks)]
    reply = await store.run(CREATE_API_KEY, (), (*arguments, *more, *by.words))
    match reply[0]:
        case b"not_found":
            raise _no_user(user_id)
        case b"conflict":
            raise _too_many()
    api_key = ApiKey(
        key_id,
        user_id,
        name,
        scopes,
        hint(secret),
        created_at_ms=int(reply[1]),
        expires_at_ms=int(reply[2]),
        rates=rates or {},
        networks=tuple(networks),
        pepper=version,
    )
    return api_key, secret


async def rotate_api_key(
    store: Store,
    pepper: bytes,
    key_id: str,
    *,
    lives_s: int,
    overlap_s: int = limits.OVERLAP_S,
    random_bytes: int = 32,
    by: Actor = COMMAND_LINE,
) -> tuple[ApiKey, str, ApiKey]:
    """The successor of an api key, its secret, and the old key, which is refused after `overlap_s`.

    The successor may do what the old one may, and is good for `lives_s`. Refuses `not_found`, and `conflict` for a key
    that has lapsed, was revoked or was rotated before.
    """
    old = await load_api_key(store, key_id)
    secret = mint(admin="admin" in old.scopes, random_bytes=random_bytes)
    arguments = (key_id, new_id("apikey"), digest(secret, pepper), hint(secret), pepper_version(pepper))
    times = (lives_s * 1000, overlap_s * 1000)
    reply = await store.run(ROTATE_API_KEY, (), (*arguments, *times, limits.API_KEYS_MAX, *by.words))
    match reply[0]:
        case b"not_found":
            raise _no_api_key(key_id)
        case b"lapsed":
            raise Refusal("conflict", "The api key has lapsed, was revoked, or was rotated before")
        case b"conflict":
            raise _too_many()
    return read_api_key(reply[1]), secret, read_api_key(reply[2])


async def bootstrap(
    store: Store, pepper: bytes, *, secret: str, email: str = "admin@localhost", lives_s: int = 365 * 86_400
) -> bool:
    """Make `secret` the admin key of a deployment that has no user yet; its first user is made with it.

    False when that was done before with this very secret, so whoever wrote the secret down first may try again after a
    crash. Refuses with `conflict` when there are users already.
    """
    scopes = frozenset({"admin"})
    reply = await store.run(
        BOOTSTRAP,
        (),
        (
            *(new_id("usr"), email_digest(email), email, "internal"),
            *(new_id("apikey"), digest(secret, pepper), "bootstrap", _joined(scopes), hint(secret), lives_s * 1000),
            *(pepper_version(pepper), *COMMAND_LINE.words),
        ),
    )
    if reply[0] == b"conflict":
        raise Refusal("conflict", "There are users already: an admin makes further keys")
    return bool(reply[0] == b"created")


async def list_api_keys(store: Store, *, user_id: str | None = None, limit: int, after: str = "") -> list[ApiKey]:
    """At most `limit` api keys, of one user or of all, newest first, from behind the api key `after`."""
    index = store.keys.api_keys if user_id is None else store.keys.user_api_keys + user_id
    return [read_api_key(record) for record in await store.run(LIST_API_KEYS, (index,), (after, limit))]


async def load_api_key(store: Store, key_id: str) -> ApiKey:
    """The api key of that id; refuses with `not_found`."""
    hashed = await store.call("GET", store.keys.api_key_id + key_id) if is_id(key_id, "apikey") else None
    record = await store.call("HGETALL", store.keys.api_key + hashed.decode()) if hashed else None
    if not record:
        raise _no_api_key(key_id)
    return read_api_key(record)


async def revoke_api_key(store: Store, key_id: str, by: Actor = COMMAND_LINE) -> ApiKey:
    """Refuse an api key from now on, everywhere; again is fine. Refuses with `not_found`."""
    reply = await store.run(REVOKE_API_KEY, (), (key_id, *by.words)) if is_id(key_id, "apikey") else None
    if reply is None or reply[0] == b"not_found":
        raise _no_api_key(key_id)
    return read_api_key(reply[1])


def read_api_key(record: Sequence[bytes]) -> ApiKey:
    """An api key from its record (the reply to HGETALL); fields that a newer version wrote are ignored."""
    stored = dict(zip(record[::2], record[1::2], strict=True))
    return ApiKey(
        id=stored[b"id"].decode(),
        user_id=stored[b"user"].decode(),
        name=stored[b"name"].decode(),
        scopes=frozenset(stored[b"scopes"].decode().split()),
        hint=stored[b"hint"].decode(),
        created_at_ms=int(stored[b"created"]),
        expires_at_ms=int(stored[b"expires"]),
        revoked_at_ms=_int(stored.get(b"revoked")),
        last_used_at_ms=_int(stored.get(b"used")),
        rates=orjson.loads(stored.get(b"rates", b"{}")),
        networks=tuple(stored.get(b"networks", b"").decode().split()),
        replaces=_text(stored.get(b"replaces")),
        replaced_by=_text(stored.get(b"replaced_by")),
        pepper=stored.get(b"pepper", b"").decode(),
    )


def _int(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _members(rates: Mapping[str, int], networks: Sequence[str]) -> list[str | bytes]:
    """What most api keys do not have, and then takes no room."""
    members: list[str | bytes] = []
    if rates:
        members += ["rates", orjson.dumps(dict(rates))]
    if networks:
        members += ["networks", " ".join(networks)]
    return members


def _check_scopes(scopes: frozenset[str], minter: frozenset[str]) -> None:
    if unknown := sorted(scopes - SCOPES):
        raise invalid("#/scopes", f"There is no scope {unknown[0]}", "unknown_scope")
    if "admin" not in minter and (missing := sorted(scopes - minter)):
        raise invalid("#/scopes", f"You lack the scope {missing[0]} yourself", "scope_not_held")


def _joined(scopes: frozenset[str]) -> str:
    return " ".join(sorted(scopes))


def _too_many() -> Refusal:
    return Refusal("conflict", f"A user has at most {limits.API_KEYS_MAX} api keys; lapsed ones leave when listed")


def _no_user(user_id: str) -> Refusal:
    return Refusal("not_found", f"There is no user {user_id}")


def _no_api_key(key_id: str) -> Refusal:
    return Refusal("not_found", f"There is no api key {key_id}")
