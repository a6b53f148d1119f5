"""Opening a connection: find the primary, connect, log in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from libs.errors import Unavailable
from libs.store.connection import Connection
from libs.store.replies import ReplyError
from libs.store.url import Address, Login

__all__ = ["dial"]

C = TypeVar("C", bound=Connection)


async def dial(address: Address, make: Callable[[], C], *, name: str, timeout_s: float) -> C:
    """A connection that has logged in, to the primary if sentinels are asked; all of it within `timeout_s`.

    Raises Unavailable, with a detail that says what to look at and holds no secret.
    """
    try:
        async with asyncio.timeout(timeout_s):
            if address.service is None:
                connection = await _connect(address, make, name)
            else:
                connection = await _connect_to_primary(address, make, name, timeout_s)
    except TimeoutError:
        raise Unavailable("redis", f"redis at {address} did not answer within {timeout_s:g} s") from None
    except (OSError, UnicodeError) as error:
        raise Unavailable("redis", f"cannot connect to redis at {address}: {error}") from None
    except ReplyError as error:
        raise Unavailable("redis", f"redis at {address} turned us away: {error}") from None
    if connection.lost is not None:  # in the moment between the last reply and now
        raise Unavailable("redis", connection.lost)
    return connection


async def _connect_to_primary(address: Address, make: Callable[[], C], name: str, timeout_s: float) -> C:
    """Ask the sentinels every time: what was the primary a moment ago may be a replica now."""
    place = await _primary_of(address, name, timeout_s)
    primary = Address(hosts=(place,), db=address.db, login=address.login, tls=address.tls)
    connection = await _connect(primary, make, name)
    try:
        role, *_ = await connection.issue(("ROLE",))
    except BaseException:
        connection.close()
        raise
    if role == b"master":
        return connection
    connection.close()
    raise Unavailable("redis", f"the sentinels still name {primary}, which is no primary any more")


async def _primary_of(address: Address, name: str, timeout_s: float) -> tuple[str, int]:
    """What the first sentinel says that knows; each has its share of the time, so that one may hang."""
    share_s = timeout_s / (len(address.hosts) + 1)
    why = "none answered"
    for host in address.hosts:
        sentinel = Address(hosts=(host,), login=address.sentinel_login, tls=address.tls)
        try:
            async with asyncio.timeout(share_s):
                place = await _ask(sentinel, address.service or "", name)
        except (OSError, TimeoutError, ReplyError, Unavailable) as error:
            why = str(error) or why
            continue
        if place is not None:
            return place
        why = "they know no such service"
    raise Unavailable("redis", f"no primary found for {address}: {why}")


async def _ask(sentinel: Address, service: str, name: str) -> tuple[str, int] | None:
    connection = await _connect(sentinel, Connection, name)
    try:
        place = await connection.issue(("SENTINEL", "get-master-addr-by-name", service))
        return None if place is None else (place[0].decode(), int(place[1]))
    finally:
        connection.close()


async def _connect(address: Address, make: Callable[[], C], name: str) -> C:
    loop = asyncio.get_running_loop()
    if address.socket is not None:
        _, connection = await loop.create_unix_connection(make, address.socket)
    else:
        host, port = address.hosts[0]
        context = address.tls.context() if address.tls else None
        _, connection = await loop.create_connection(make, host, port, ssl=context)
    try:
        await _greet(connection, address.login, address.db, name)
    except BaseException:
        connection.close()
        raise
    return connection


async def _greet(connection: Connection, login: Login, db: int, name: str) -> None:
    """Log in, choose the database and say who we are, in one write."""
    words: list[tuple[str, ...]] = [("CLIENT", "SETNAME", name)]
    if login.password is not None:
        words.insert(0, ("AUTH", login.user or "default", login.password) if login.user else ("AUTH", login.password))
    if db:
        words.append(("SELECT", str(db)))
    replies = await asyncio.gather(*[connection.issue(command) for command in words], return_exceptions=True)
    for command, reply in zip(words, replies, strict=True):
        if isinstance(reply, BaseException) and not _may_lack_a_name(command, reply):
            raise reply


def _may_lack_a_name(command: tuple[str, ...], reply: BaseException) -> bool:
    """A managed Redis may forbid CLIENT; the name is for people who look at CLIENT LIST."""
    return (
        command[0] == "CLIENT"
        and isinstance(reply, ReplyError)
        and (reply.code == "NOPERM" or "unknown" in str(reply).lower())
    )
