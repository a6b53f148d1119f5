"""The directory: who holds a key. One round trip for a key that this process has not seen lately, none otherwise."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any

import orjson

from libs import limits
from libs.access.caller import Caller
from libs.access.plan import DEFAULT_PLANS, Limits
from libs.access.scripts import FIND_CALLER
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.replies import ReplyError

__all__ = ["Directory", "limits_of"]

_NAMES = frozenset(field.name for field in fields(Limits))
_LISTEN_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


class Directory:
    """Finds callers by the digest of their key, and remembers them for some seconds.

    `listen` hears of revoked keys and changed users; where a message is lost, what is remembered is stale for at most
    `ttl_s`. Unknown keys are not remembered, and no more than `entries_max` known ones.
    """

    def __init__(
        self,
        store: Store,
        *,
        entries_max: int = limits.CACHED_CALLERS_MAX,
        ttl_s: float = limits.CACHED_CALLER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._entries_max = entries_max
        self._ttl_s = ttl_s
        self._clock = clock
        self._callers: dict[str, tuple[float, Caller]] = {}  # oldest first
        self._changes = 0

    def remembered(self, digest: str) -> Caller | None:
        """The caller, when it was looked up lately; asks nobody."""
        found = self._callers.get(digest)
        return found[1] if found is not None and self._clock() < found[0] else None

    async def find_caller(self, digest: str) -> Caller | None:
        """Who holds the key; None when it is unknown, revoked or expired, or its user suspended. Raises Unavailable."""
        return self.remembered(digest) or await self._look_up(digest)

    def forget(self, digest: str) -> None:
        """Look this key up anew, next time."""
        self._changes += 1
        self._callers.pop(digest, None)

    async def listen(self) -> None:
        """Forget what is revoked or changed, as it happens; runs until canceled, whatever becomes of Redis."""
        while True:
            try:
                await self._hear()
            except (Unavailable, ReplyError) as error:
                _log.warning("not hearing of revoked keys for the moment: %s", error)
            await asyncio.sleep(_LISTEN_AGAIN_S)

    async def _hear(self) -> None:
        async with self._store.subscription() as subscription:
            await subscription.subscribe(self._store.keys.revoked)
            # What was said while nobody listened is unknown.
            self._changes += 1
            self._callers.clear()
            async for _channel, digest in subscription:
                self.forget(digest.decode())

    async def _look_up(self, digest: str) -> Caller | None:
        changes = self._changes
        reply = await self._store.run(FIND_CALLER, (), (digest,))
        if not reply:
            return None
        caller, holds_s = _caller(digest, reply), reply[8] / 1000
        if changes == self._changes:  # else the answer may be older than the change
            self._remember(caller, min(holds_s, self._ttl_s))
        return caller

    def _remember(self, caller: Caller, for_s: float) -> None:
        self._callers.pop(caller.digest, None)
        while len(self._callers) >= self._entries_max:
            del self._callers[next(iter(self._callers))]
        self._callers[caller.digest] = (self._clock() + for_s, caller)


def _caller(digest: str, reply: list[Any]) -> Caller:
    key_id, key_name, scopes, user_id, email, plan = (text.decode() for text in reply[:6])
    return Caller(
        user_id=user_id,
        email=email,
        plan=plan,
        limits=limits_of(plan, reply[7], reply[6]),
        api_key_id=key_id,
        api_key_name=key_name,
        digest=digest,
        scopes=frozenset(scopes.split()),
    )


@lru_cache(maxsize=1_024)
def limits_of(plan: str, changed: bytes = b"", overrides: bytes = b"") -> Limits:
    """A plan's limits with an admin's changes to the plan, and a user's overrides over both (JSON objects, or empty).

    A plan that is no longer known counts as free. Numbers of a newer version are ignored.
    """
    found = DEFAULT_PLANS.get(plan, DEFAULT_PLANS["free"])
    for changes in (changed, overrides):
        if changes:
            found = found.overridden({name: number for name, number in orjson.loads(changes).items() if name in _NAMES})
    return found
