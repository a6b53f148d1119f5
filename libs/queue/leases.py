"""Leases: while a worker lives it renews them, three times a lease; when it stops, its jobs come due by themselves."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence

from libs.errors import Unavailable
from libs.jobs.lifecycle import Held, renew
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["Leases"]

log = logging.getLogger(__name__)

_SEEN_S = 60
_AGAIN_S = 0.2


class Leases:
    """The leases of one worker, and its entry in the list of workers."""

    def __init__(
        self,
        store: Store,
        worker: str,
        queues: Sequence[str],
        lease_s: float,
        running: Mapping[str, Running],
        *,
        redis_restarted: bool = False,
    ) -> None:
        """`running` is the worker's own table, which it goes on changing."""
        self._store = store
        self._worker = worker
        self._queues = tuple(queues)
        self._lease_s = lease_s
        self._running = running
        #: Until the first renewal: who was not there before cannot tell an outage from there having been no worker.
        self.newcomer = not redis_restarted

    async def keep(self, describe: Callable[[], Mapping[str, str | int]]) -> None:
        """Renew every third of a lease, for ever. An outage of Redis is waited out: nobody is rescued in it."""
        away = False
        while True:
            pause_s = self._lease_s / 3
            try:
                await self._renew()
                await self._say_alive(describe())
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("leases could not be renewed: %s", error.detail)
                away = True
                pause_s = min(pause_s, _AGAIN_S)
            except Exception:
                log.exception("renewing leases failed")
            await asyncio.sleep(pause_s)

    async def _renew(self) -> None:
        held = [Held(one.claim.queue, job_id, one.claim.fence) for job_id, one in self._running.items()]
        words = await renew(self._store, held, self._lease_s, queues=self._queues, newcomer=self.newcomer)
        self.newcomer = False
        fences = {one.job_id: one.fence for one in held}
        for job_id, word in words.items():
            running = self._running.get(job_id)
            if running is None or running.claim.fence != fences[job_id]:
                continue
            if word == "lost":
                log.warning("the lease of job %s was lost", job_id)
            running.stop("lost" if word == "lost" else "canceled")

    async def _say_alive(self, described: Mapping[str, str | int]) -> None:
        keys = self._store.keys
        words: list[str | int] = []
        for name, value in {"host": socket.gethostname(), "pid": os.getpid(), **described}.items():
            words += (name, value)
        now_s = (await self._store.call("TIME"))[0]
        await asyncio.gather(
            self._store.call("HSET", keys.worker + self._worker, "seen", now_s, *words),
            self._store.call("EXPIRE", keys.worker + self._worker, _SEEN_S),
            self._store.call("ZADD", keys.workers, now_s, self._worker),
            self._store.call("ZREMRANGEBYSCORE", keys.workers, "-inf", int(now_s) - _SEEN_S),
            # Seen in the future: by a clock that has stepped back since. Who lives says so again.
            self._store.call("ZREMRANGEBYSCORE", keys.workers, int(now_s) + _SEEN_S, "+inf"),
        )

    async def deregister(self) -> None:
        """Leave the list of workers."""
        keys = self._store.keys
        try:
            await asyncio.gather(
                self._store.call("ZREM", keys.workers, self._worker),
                self._store.call("DEL", keys.worker + self._worker, keys.control + self._worker),
            )
        except Unavailable:
            log.debug("the list of workers forgets us by itself")
