"""A batch in the hands of a test: items stored, admitted, looked after step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from libs.access.caller import Caller
from libs.access.plans import Plans
from libs.admission.rate import RateRule
from libs.artifacts.objects import Objects
from libs.batches.admit import BatchApplication, admit_batch
from libs.batches.batch import Batch, results_name
from libs.batches.feed import Rooms
from libs.batches.items import Item, ItemWriter
from libs.batches.lookup import load_batch
from libs.batches.tend import Tender
from libs.ids import new_id
from libs.jobs.lifecycle import Claim, claim, finish
from libs.jobs.payload import decode_payload
from libs.store.client import Store
from tests.fakes.callers import QUEUE_RULE, make_caller
from tests.patience import PATIENCE_S

__all__ = ["Desk", "items_of"]

_LEASE_S = 30.0


def items_of(count: int, **more: Any) -> list[Item]:
    return [Item({"n": n}, 1, **more) for n in range(count)]


@dataclass
class Desk:
    """Submits batches, tends them and does their jobs."""

    store: Store
    objects: Objects
    rooms: Rooms = field(default_factory=lambda: Rooms(10_000))

    async def caller(self, plan: str = "internal", **overrides: Any) -> Caller:
        """A user with a record, which a worker reads the limits from."""
        caller = make_caller(plan, **overrides)
        record = ("plan", plan, "overrides", orjson.dumps(overrides), "status", "active")
        await self.store.call("HSET", self.store.keys.user + caller.user_id, *record)
        return caller

    @property
    def tender(self) -> Tender:
        return Tender(self.store, self.objects, Plans(), self.rooms)

    async def submit(
        self,
        caller: Caller,
        items: Iterable[Item],
        *,
        rate_rule: RateRule | None = None,
        **members: Any,
    ) -> str:
        """A batch of these items; its id."""
        batch_id = new_id("batch")
        writer = ItemWriter(self.store, self.objects, caller.user_id, batch_id, members.get("fairness_key"))
        for item in items:
            await writer.add(item)
        await writer.close()
        usual: dict[str, Any] = {"kind": "noop", "queue": "cpu", "deadline_s": 3_600.0}
        wanted = BatchApplication(**(usual | members))
        try:
            admission = await admit_batch(
                self.store,
                caller,
                wanted,
                QUEUE_RULE,
                rate_rule,
                batch_id=batch_id,
                items=writer.count,
                units=writer.units,
                items_bytes=writer.bytes,
            )
        except BaseException:
            await writer.drop()
            raise
        if admission.replayed:
            await writer.drop()
        return admission.batch_id

    async def tend(self) -> int:
        """Look after every batch now, due or not; how many there were."""
        keys = self.store.keys
        for member in await self.store.call("ZRANGE", keys.batches_due, 0, -1):
            user_id, batch_id = member.decode().split(" ")
            if (await self.store.call("HGET", keys.batch + batch_id, "status")) == b"running":
                await self.store.call("ZADD", keys.batches_due, 1, f"{user_id} {batch_id}")
        due = await self.tender.take(100)
        for one in due:
            await self.tender.tend(one)
        return len(due)

    async def claim(self, most: int = 100) -> Sequence[Claim]:
        return (await claim(self.store, "wrk_by_hand", ["cpu"], most, _LEASE_S)).jobs

    async def work(self, most: int = 100, *, fails: Iterable[int] = ()) -> list[int]:
        """Do up to so many jobs; the items they were. Those in `fails` fail."""
        done: list[int] = []
        for one in await self.claim(most):
            n = decode_payload(one.payload or b"").input["n"]
            if n in fails:
                error = {"code": "bad", "detail": "not this one", "retryable": False}
                await finish(self.store, one.job_id, one.fence, "fail", payment="refund", error=error)
            else:
                await finish(self.store, one.job_id, one.fence, "succeed", output={"square": n * n})
            done.append(n)
        return done

    async def until_over(self, caller: Caller, batch_id: str, **work: Any) -> Batch:
        """Tend and work until the batch is over."""
        async with asyncio.timeout(PATIENCE_S):
            while not (batch := await load_batch(self.store, caller.user_id, batch_id)).over:
                await self.tend()
                await self.work(**work)
        return batch

    async def results(self, batch: Batch) -> list[dict[str, Any]]:
        data = await self.objects.get(results_name(batch.prefix), bytes_max=100_000_000)
        assert data is not None
        return [orjson.loads(line) for line in data.splitlines()]
