"""The worker: ARQ's, with its polling, its claiming and its endings replaced.

What stays ARQ's is what its users hold in their hands: functions and `ctx`, `Retry`, hooks, cron, the queue and the
payloads. What is ours: jobs are claimed in fair order under a lease and a fence, a doorbell replaces the poll, an
outage of Redis is waited out, a hook cannot end the worker, and a drain hands unfinished work back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from arq.connections import ArqRedis
from arq.typing import WorkerCoroutine
from arq.worker import Function

from libs.errors import Unavailable
from libs.ids import new_id
from libs.jobs.lifecycle import Claim, FencedError, claim
from libs.jobs.payload import deserialize, serialize
from libs.queue.doorbell import listen
from libs.queue.foreign import ForeignJobs
from libs.queue.leases import Leases
from libs.queue.pool import FOREIGN_QUEUE
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["FairWorker", "RunJob"]

log = logging.getLogger(__name__)

#: Runs one of our own jobs to its ending.
RunJob = Callable[[Running], Awaitable[None]]

_FALLBACK_S = 1.0
_OUTAGE_PAUSE_S = 0.2
#: How long a handler may take to let go when it is interrupted at the end of a drain.
_FAREWELL_S = 1.5
_TRIES_OUT_OF_REACH = 1_000_000


class FairWorker(ForeignJobs):
    """A worker process: `slots` jobs at once from `queues`, each for one lease at a time."""

    def __init__(
        self,
        functions: Sequence[Function | WorkerCoroutine],
        *,
        store: Store,
        pool: ArqRedis,
        run: RunJob,
        queues: Sequence[str],
        servers: Mapping[str, int] = MappingProxyType({}),
        slots: int = 5,
        lease_s: float = 3.0,
        recycle_after: int | None = None,
        redis_restarted: bool = False,
        **arq: Any,
    ) -> None:
        """`servers` are those of the fleet that this worker reaches, with their slots.

        `redis_restarted`: the server came up so lately that other workers may not have renewed their leases yet.

        `arq` takes what ARQ's Worker does: cron_jobs, hooks, ctx, job_timeout; signals are the caller's business.
        """
        super().__init__(
            functions,
            queue_name=FOREIGN_QUEUE,
            redis_pool=pool,
            max_jobs=slots,
            max_tries=_TRIES_OUT_OF_REACH,
            handle_signals=False,
            job_serializer=serialize,
            job_deserializer=deserialize,
            **arq,
        )
        self.id = new_id("wrk")
        self.queues = [*queues, "default"]
        self.running: dict[str, Running] = {}
        self._store = store
        self._run = run
        self._servers = servers
        self._lease_s = lease_s
        self._claims_left = recycle_after
        self._accepting = True
        self._away = False
        self._missed = False
        self._makes_room = False
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.leases = Leases(store, self.id, self.queues, lease_s, self.running, redis_restarted=redis_restarted)

    # ── the life of the worker ──────────────────────────────────────────────────────────────────────────────────

    async def main(self) -> None:
        """Work until `drain` has been called and the last job is out of hand."""
        self._stopped.clear()
        self.ctx["redis"] = self.pool
        await self._hook("on_startup", self.ctx)
        background = [
            asyncio.create_task(self._listen_for_jobs(), name="doorbell"),
            asyncio.create_task(self._listen_for_orders(), name="orders"),
            asyncio.create_task(self.leases.keep(self._describe), name="leases"),
        ]
        try:
            while self._accepting:
                await self._turn()
            self._stopped.set()
            await self._idle.wait()
        finally:
            self._stopped.set()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.leases.deregister()
            await self._hook("on_shutdown", self.ctx)

    async def drain(self, grace_s: float) -> None:
        """Claim nothing more; give running jobs `grace_s`, then hand the rest back unfinished, no attempt used."""
        self._accepting = False
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._stopped.wait()  # a claim may be on its way, and bring jobs still
                await self._idle.wait()
        await self._stopped.wait()
        for running in list(self.running.values()):
            running.stop("released")
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("left behind, to be rescued: %s", ", ".join(self.running))
            self._idle.set()

    def stop_accepting(self) -> None:
        """Claim nothing more; `main` returns once the last job is out of hand."""
        self._accepting = False
        self._wake.set()

    async def close(self) -> None:
        """Nothing is left to close: who opened the store and the pool closes them."""

    # ── claiming ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _turn(self) -> None:
        self._wake.clear()
        pause_s = _FALLBACK_S
        try:
            free = min(self.max_jobs - len(self.running), self._claims_left or self.max_jobs)
            if free > 0 and not self._runs_one_alone:
                pause_s = await self._claim(free)
            self._away = False
            if self.cron_jobs:
                await self.heart_beat()
        except Unavailable as error:
            if not self._away:
                log.warning("waiting for redis: %s", error.detail)
            self._away = self._missed = True
            pause_s = _OUTAGE_PAUSE_S
        except Exception:
            log.exception("a turn of the worker failed")
        if self._accepting:
            await self._sleep(pause_s)

    async def _claim(self, free: int) -> float:
        """Claim what there is room for; the seconds until something may come due."""
        claims = await claim(
            self._store,
            self.id,
            self.queues,
            free,
            self._lease_s,
            servers=self._servers,
            running=self.running,
            newcomer=self.leases.newcomer,
            after_outage=self._missed,
        )
        self._missed, self._makes_room = False, claims.makes_room
        for claimed in claims.jobs:
            self._start(claimed)
        self._note_room()
        self.queues.append(self.queues.pop(0))
        if claims.next_due_ms is None:
            return _FALLBACK_S
        return min(_FALLBACK_S, max(0.001, claims.next_due_ms / 1000))

    @property
    def _runs_one_alone(self) -> bool:
        return len(self.running) == 1 and next(iter(self.running.values())).claim.alone

    @property
    def _has_room(self) -> bool:
        return len(self.running) < self.max_jobs and not self._makes_room and not self._runs_one_alone

    def _note_room(self) -> None:
        """Who has no room must not listen: the token that wakes it is lost to the others."""
        if self._has_room:
            self._room.set()
        else:
            self._room.clear()

    async def _sleep(self, pause_s: float) -> None:
        timer = self.loop.call_later(pause_s, self._wake.set)
        await self._wake.wait()
        timer.cancel()

    def _start(self, claimed: Claim) -> None:
        running = Running(claimed)
        self.running[claimed.job_id] = running
        self._idle.clear()
        running.task = self.loop.create_task(self._work(running))
        if self._claims_left is not None:
            self._claims_left -= 1
            if self._claims_left <= 0:
                self.stop_accepting()

    async def _work(self, running: Running) -> None:
        try:
            if running.claim.foreign:
                await self._run_foreign(running)
            else:
                await self._run(running)
        except FencedError:
            log.warning("job %s is no longer ours", running.claim.job_id)
        except asyncio.CancelledError:
            raise
        except Exception:
            # Its lease runs out, and the job is rescued: a bug here costs a crash, not the worker.
            log.exception("running job %s failed", running.claim.job_id)
        finally:
            self._leave(running)

    def _leave(self, running: Running) -> None:
        if self.running.get(running.claim.job_id) is running:
            del self.running[running.claim.job_id]
        self._note_room()
        self._wake.set()
        if not self.running:
            self._idle.set()

    # ── listening ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _listen_for_jobs(self) -> None:
        bells = [self._store.keys.bell + queue for queue in self.queues]
        await listen(self._store, bells, self._bell_rang, ready=self._room.wait)

    async def _bell_rang(self, bell: str, _token: str) -> None:
        if self._accepting and self._has_room:
            self._wake.set()
        else:
            await self._store.call("LPUSH", bell, "1")  # filled up meanwhile: the token is for somebody else

    async def _listen_for_orders(self) -> None:
        await listen(self._store, [self._store.keys.control + self.id], self._obey)

    async def _obey(self, _list: str, order: str) -> None:
        word, _, job_id = order.partition(" ")
        if word == "drain":
            self.stop_accepting()
        elif word == "cancel" and job_id in self.running:
            self.running[job_id].stop("canceled")

    # ── what it says of itself ──────────────────────────────────────────────────────────────────────────────────

    def _describe(self) -> dict[str, str | int]:
        return {
            "queues": ",".join(sorted(queue for queue in self.queues if queue != "default")),
            "slots": self.max_jobs,
            "running": len(self.running),
            "accepting": int(self._accepting),
        }

    async def _hook(self, name: str, ctx: dict[Any, Any]) -> None:
        hook = getattr(self, name)
        if hook is None:
            return
        try:
            await hook(ctx)
        except Exception:
            log.exception("the hook %s failed", name)
