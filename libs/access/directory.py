"""The directory: who holds a key. One round trip for a key that this process has not seen lately, none otherwise."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from libs import limits
from libs.access.caller import Caller
from libs.access.networks import parse_network
from libs.access.plans import Plans
from libs.access.scripts import FIND_CALLER
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.replies import ReplyError

__all__ = ["Directory"]

_LISTEN_AGAIN_S = 1.0
_PING_S = 2.0
#: How long one who has something open on the strength of a key may go on where the word of its end was lost.
_LOOK_AGAIN_S = 4.0
#: Said on the channel when everything must be looked up anew: a plan was changed.
_EVERYTHING = b"*"

_log = logging.getLogger(__name__)


class Directory:
    """Finds callers by the digest of their key, and remembers them for some seconds.

    `listen` hears of revoked keys and changed users; where a message is lost, what is remembered is stale for at most
    `ttl_s`. Unknown keys are not remembered, and no more than `entries_max` known ones.
    """

    def __init__(
        self,
        store: Store,
        plans: Plans | None = None,
        *,
        entries_max: int = limits.CACHED_CALLERS_MAX,
        ttl_s: float = limits.CACHED_CALLER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._plans = plans or Plans()
        self._entries_max = entries_max
        self._ttl_s = ttl_s
        self._clock = clock
        self._callers: dict[str, tuple[float, Caller]] = {}  # oldest first
        self._watched: dict[str, set[asyncio.Event]] = {}
        self._changes = 0

    def remembered(self, *digests: str) -> Caller | None:
        """The caller, when it was looked up lately under one of these; asks nobody."""
        for digest in digests:
            found = self._callers.get(digest)
            if found is not None and self._clock() < found[0]:
                return found[1]
        return None

    async def find_caller(self, *digests: str) -> Caller | None:
        """Who holds the key; None when it is unknown, revoked or expired, or its user not active.

        `digests` are those of one secret, one for each pepper. Raises Unavailable.
        """
        return self.remembered(*digests) or await self._look_up(digests)

    def forget(self, digest: str) -> None:
        """Look this key up anew, next time."""
        self._changes += 1
        self._callers.pop(digest, None)
        for watching in self._watched.get(digest, ()):
            watching.set()

    async def until_refused(self, digest: str) -> None:
        """Returns once the key is good no more: within a second, or in a few when this process cannot hear of it.

        While Redis is away nobody can tell, and it does not return. An empty digest is that of a deployment without
        keys, which is always good.
        """
        told = asyncio.Event()
        self._watched.setdefault(digest, set()).add(told)
        try:
            while not digest or await self._still_good(digest):
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S if digest else None):
                        await told.wait()
                told.clear()
        finally:
            self._watched[digest].discard(told)
            if not self._watched[digest]:
                del self._watched[digest]

    async def listen(self) -> None:
        """Forget what is revoked or changed, as it happens; runs until canceled, whatever becomes of Redis."""
        while True:
            try:
                await self._hear()
            except (Unavailable, ReplyError) as error:
                _log.warning("not hearing of revoked keys for the moment: %s", error)
            self._forget_everything()
            await asyncio.sleep(_LISTEN_AGAIN_S)

    async def _hear(self) -> None:
        async with self._store.subscription(ping_s=_PING_S) as subscription:
            await subscription.subscribe(self._store.keys.revoked)
            self._forget_everything()  # what was said while nobody listened is unknown
            async for _channel, digest in subscription:
                if digest == _EVERYTHING:
                    self._forget_everything()
                else:
                    self.forget(digest.decode())

    def _forget_everything(self) -> None:
        self._changes += 1
        self._callers.clear()
        for watching in self._watched.values():
            for told in watching:
                told.set()

    async def _still_good(self, digest: str) -> bool:
        try:
            return await self._look_up((digest,)) is not None
        except Unavailable:
            return True

    async def _look_up(self, digests: tuple[str, ...]) -> Caller | None:
        changes = self._changes
        reply = await self._store.run(FIND_CALLER, (), digests)
        if not reply:
            return None
        caller, holds_s = self._caller(reply), reply[8] / 1000
        if changes == self._changes:  # else the answer may be older than the change
            self._remember(caller, min(holds_s, self._ttl_s))
        return caller

    def _caller(self, reply: list[Any]) -> Caller:
        key_id, key_name, scopes, user_id, email, plan = (text.decode() for text in reply[:6])
        return Caller(
            user_id=user_id,
            email=email,
            plan=plan,
            limits=self._plans.limits_of(plan, reply[7], reply[6]),
            api_key_id=key_id,
            api_key_name=key_name,
            digest=reply[9].decode(),
            scopes=frozenset(scopes.split()),
            rates=orjson.loads(reply[10]) if reply[10] else {},
            networks=tuple(map(parse_network, reply[11].decode().split())),
        )

    def _remember(self, caller: Caller, for_s: float) -> None:
        self._callers.pop(caller.digest, None)
        while len(self._callers) >= self._entries_max:
            del self._callers[next(iter(self._callers))]
        self._callers[caller.digest] = (self._clock() + for_s, caller)
