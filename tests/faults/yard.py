"""One fault run: the site, made whole; workers and clients of its own; and what is known at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from apps.resources import Resources, open_resources
from libs.access.api_key import DEFAULT_SCOPES
from libs.errors import Unavailable
from libs.kinds import KINDS
from libs.store.client import Store
from tests.fakes.api import Api as Minting
from tests.fakes.api import settings_for
from tests.faults.backend import Backend
from tests.faults.evidence import Evidence, digests, dump, read_metrics
from tests.faults.fleet import Fleet, fleet
from tests.faults.history import Client, History
from tests.faults.kinds import QUEUE
from tests.faults.site import Site, environment
from tests.faults.size import SIZE
from tests.patience import PATIENCE_S
from tests.servers import S3Server

__all__ = ["Yard", "yard"]

_LOOK_AGAIN_S = 0.05
_QUEUES = sorted({QUEUE} | {kind.queue for kind in KINDS.values()})


@dataclass
class Yard:
    """No worker yet: they are started through `fleet`. Users are made by `client`."""

    site: Site
    fleet: Fleet
    resources: Resources
    http: httpx.AsyncClient
    history: History = field(default_factory=History)
    counted_before: dict[str, float] = field(default_factory=dict)
    api_starts: int = 0

    @property
    def store(self) -> Store:
        return self.resources.store

    @property
    def backend(self) -> Backend:
        return self.site.backend

    async def client(self, **overrides: int) -> Client:
        """A new user, whose plan has these numbers."""
        secret = await Minting(self.resources, self.http).key("internal", DEFAULT_SCOPES, **overrides)
        user_id = (await self.store.call("ZRANGE", self.store.keys.users, -1, -1))[0].decode()
        return Client(self.http, self.history, user_id, secret)

    async def unfinished(self) -> int:
        """How many jobs have not ended."""
        keys = self.store.keys
        return sum(await asyncio.gather(*[self.store.call("ZCARD", keys.zset_of(queue)) for queue in _QUEUES]))

    async def rest(self, within_s: float = SIZE.within_s) -> float:
        """Wait until every job has ended; how long that took."""
        began = time.monotonic()
        while True:
            try:
                left = await self.unfinished()
            except Unavailable:
                left = -1
            if left == 0:
                return time.monotonic() - began
            assert time.monotonic() < began + within_s, f"{left} jobs have not ended\n{self.fleet.logs()}"
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def evidence(self) -> Evidence:
        """Let the workers end, and read everything."""
        working = [worker for worker in self.fleet.alive if worker.works]
        await self.fleet.stop()
        for worker in working:
            assert worker.ended.result().status == 0, self.fleet.logs()
        seen = await dump(self.store)
        names = [artifact.object_name for job in seen.jobs().values() for artifact in job.artifacts]
        objects = await digests(self.resources.objects, names)
        return Evidence(seen, self.history, await self.backend.tally(), objects, await self._counted())

    async def _counted(self) -> dict[str, float] | None:
        """What the API counted in this run; None when it was killed meanwhile."""
        if self.site.api.starts != self.api_starts:
            return None
        now = read_metrics((await self.http.get("/metrics")).text)
        return {sample: value - self.counted_before.get(sample, 0) for sample, value in now.items()}


@asynccontextmanager
async def yard(
    site: Site, folder: Path, s3: S3Server, *, api: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[Yard]:
    """Begin a run; `changes` are settings of every worker, `api` of an API that is started for this run alone."""
    site.make_whole()
    async with site.api.told(api or {}), _opened(site, folder, s3, changes) as found:
        yield found


@asynccontextmanager
async def _opened(site: Site, folder: Path, s3: S3Server, changes: Mapping[str, Any]) -> AsyncIterator[Yard]:
    await site.backend.forget()
    resources = await open_resources(settings_for(site.redis.url, s3), "faults")
    told = environment(site.redis, s3, site.backend, **{"lease_s": SIZE.lease_s, **changes})
    limits = httpx.Limits(max_connections=64)
    try:
        async with (
            fleet(site.nurse, folder, told) as workers,
            httpx.AsyncClient(base_url=site.api.url, limits=limits, timeout=PATIENCE_S) as http,
        ):
            async with asyncio.timeout(SIZE.within_s):
                while (await http.get("/ready")).status_code != 200:
                    await asyncio.sleep(_LOOK_AGAIN_S)
            before = read_metrics((await http.get("/metrics")).text)
            yield Yard(site, workers, resources, http, counted_before=before, api_starts=site.api.starts)
    finally:
        site.breaker.restore()
        await resources.close()
