"""Delivering webhooks: what is due is taken under a lease, sent, and ended; a receiver holds up its own queue alone.

A process sends so many at once (`WEBHOOK_SLOTS`), and to receivers that fail again and again at most half of that. So
however many of them hang, the others find a slot. Killed anywhere, it leaves a lease behind that runs out: the delivery
is tried again under the same id, and only then may a receiver see it twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from apps.worker.messages import Message, Messages, UnsignableError
from libs.egress import Egress
from libs.errors import Failure, Unavailable
from libs.ids import new_id
from libs.metrics import Metrics
from libs.queue.patience import through_outages
from libs.store.client import Store
from libs.store.dedicated import Dedicated
from libs.webhooks.outbox import Due, Ending, count_waiting, dispatch, finish, take
from libs.webhooks.schedule import Schedule, read_retry_after

__all__ = ["Courier"]

log = logging.getLogger(__name__)

#: Longer than the whole of an attempt may take: 15 s for the POST, and what stands around it.
_LEASE_S = 30.0
_BLOCK_S = 5
_PATIENCE_S = 2.0
_WAITING_S = 1.0
_AGAIN_S = 0.3
_COUNT_EVERY_S = 10.0
_HAND_BACK_S = 0.5
_GONE = 410


class Courier:
    """Delivers for as long as `keep_delivering` runs; `stop` hands back what is under way."""

    def __init__(
        self,
        store: Store,
        messages: Messages,
        egress: Egress,
        metrics: Metrics,
        *,
        slots: int,
        schedule: Schedule | None = None,
        lease_s: float = _LEASE_S,
    ) -> None:
        """Take up to `slots` deliveries at once."""
        self._store = store
        self._messages = messages
        self._egress = egress
        self._metrics = metrics
        self._slots = slots
        self._schedule = schedule or Schedule()
        self._lease_s = lease_s
        self._id = new_id("cour")
        self._woken, self._dispatched = asyncio.Event(), asyncio.Event()
        self._entries = False  # whether the outbox has any
        self._sending: dict[asyncio.Task[None], bool] = {}  # whether to an ailing receiver
        self._counted_at = -_COUNT_EVERY_S

    async def keep_delivering(self) -> None:
        """Deliver what comes due, for ever, through outages of Redis."""
        listener = asyncio.create_task(self._listen(), name="outbox")
        try:
            while True:
                try:
                    await self._sleep(await self._turn())
                except Unavailable as error:
                    log.debug("delivering: %s", error)
                    await asyncio.sleep(_AGAIN_S)
                except Exception:
                    log.exception("delivering webhooks failed")
                    await asyncio.sleep(_WAITING_S)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def stop(self, within_s: float) -> None:
        """Let what is under way end for a moment; the rest is handed back, and goes out elsewhere."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=within_s)
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending, timeout=_HAND_BACK_S)

    async def _turn(self) -> float:
        """Move what can be moved now; how long nothing else is to be done, unless somebody wakes us."""
        if self._entries and await dispatch(self._store) == 0:
            self._entries = False
            self._dispatched.set()
        next_due_s = await self._take()
        await self._count()
        return 0.0 if self._entries else min(next_due_s, _WAITING_S)

    async def _take(self) -> float:
        """Take what there are slots for, of the ailing half of them at most; when the next look is due."""
        free, ailing = self._slots - len(self._sending), sum(self._sending.values())
        if free == 0:
            return _WAITING_S
        ailing_most = max(0, max(1, self._slots // 2) - ailing)
        taken = await take(self._store, self._id, lease_s=self._lease_s, most=free, ailing=ailing_most)
        for due in taken.due:
            self._send_soon(due)
        return _WAITING_S if taken.next_due_s is None else taken.next_due_s

    def _send_soon(self, due: Due) -> None:
        task = asyncio.create_task(self._send(due), name=f"webhook {due.id}")
        self._sending[task] = due.ailing
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.pop(task, None)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery was left to its lease", exc_info=error)

    async def _send(self, due: Due) -> None:
        began = time.monotonic()
        try:
            ending = await self._attempt(due, began)
        except asyncio.CancelledError:
            ending = Ending("released", 0.0)
        except Unavailable as error:
            log.debug("delivery %s waits: %s", due.id, error)
            ending = Ending("released", _WAITING_S)
        except Exception:
            log.exception("delivery %s could not be made", due.id)  # left to its lease it would come back for ever
            ending = Ending("unmade", self._schedule.wait_s(due.tries), time.monotonic() - began, error="internal")
        outcome = await through_outages(lambda: finish(self._store, due, ending, self._schedule.span_s))
        self._tell(due, ending, outcome)

    async def _attempt(self, due: Due, began: float) -> Ending:
        try:
            message = await self._messages.of(due)
        except UnsignableError as error:
            log.warning("endpoint %s: %s", due.endpoint_id, error)
            return self._failed(due, began, error="unsignable")
        if message is None:
            return Ending("void", error="gone_meanwhile")
        return await self._post(due, message, began)

    async def _post(self, due: Due, message: Message, began: float) -> Ending:
        try:
            answer = await self._egress.post(message.url, message.headers, message.body)
        except Failure as failure:
            return self._failed(due, began, error=failure.code)
        if 200 <= answer.status < 300:  # noqa: PLR2004  # RFC 9110, 15.3
            return Ending("delivered", took_s=time.monotonic() - began, status=answer.status)
        if answer.status == _GONE:
            return Ending("gone", took_s=time.monotonic() - began, status=answer.status)
        return self._failed(due, began, status=answer.status, retry_after_s=read_retry_after(answer.retry_after))

    def _failed(
        self, due: Due, began: float, *, status: int | None = None, error: str | None = None, retry_after_s: float = 0.0
    ) -> Ending:
        wait_s = self._schedule.wait_s(due.tries, retry_after_s)
        return Ending("failed", wait_s, time.monotonic() - began, status, error)

    def _tell(self, due: Due, ending: Ending, outcome: str) -> None:
        self._metrics.webhook_attempts.labels(outcome).inc()
        if outcome == "delivered":
            self._metrics.webhook_lag_seconds.observe((due.now_ms - due.at_ms) / 1000 + ending.took_s)
        if outcome == "disabled":
            log.warning("webhook endpoint %s is disabled: %s", due.endpoint_id, ending.status or ending.error)

    # Waking

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _listen(self) -> None:
        """Wake when the outbox has an entry: the wait ends at once if it has one already, so none is overheard."""
        while True:
            try:
                async with self._store.dedicated() as connection:
                    while True:
                        await self._hear(connection)
            except Unavailable as error:
                log.debug("listening to the outbox: %s", error)
                await asyncio.sleep(_AGAIN_S)

    async def _hear(self, connection: Dedicated) -> None:
        words = ("XREAD", "COUNT", 1, "BLOCK", _BLOCK_S * 1000, "STREAMS", self._store.keys.outbox, 0)
        if not await connection.call(*words, timeout_s=_BLOCK_S + _PATIENCE_S):
            return
        self._dispatched.clear()
        self._entries = True
        self._woken.set()
        await self._dispatched.wait()

    async def _count(self) -> None:
        now = time.monotonic()
        if now < self._counted_at + _COUNT_EVERY_S:
            return
        self._counted_at = now
        pending, gauge = await count_waiting(self._store), self._metrics.webhooks_pending
        gauge.labels("entries").set(pending.entries)
        gauge.labels("receivers").set(pending.receivers)
        gauge.labels("deliveries").set(pending.deliveries)
