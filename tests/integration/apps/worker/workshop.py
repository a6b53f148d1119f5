"""An API and a stand-in ComfyUI in this process, workers in processes of their own, and a customer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from libs.embedded.comfyui_standin import Fault, Standin
from libs.jobs.job import Job
from libs.jobs.lookup import load_job
from libs.jobs.status import FINISHED
from tests.fakes.api import Api
from tests.fakes.customers import PICTURE, Customer
from tests.fakes.workers import WorkerProcess
from tests.patience import PATIENCE_S

__all__ = ["LONG", "OpenWorkshop", "Workshop"]

#: A picture that takes the stand-in two seconds.
LONG = {**PICTURE, "steps": 100}


@dataclass(frozen=True)
class Workshop:
    """What a test of a job's way holds in its hands."""

    api: Api
    someone: Customer
    standin: Standin
    start_worker: Callable[..., WorkerProcess]
    workers: list[WorkerProcess]

    def faults(self, *faults: Fault) -> None:
        self.standin.faults.replace([{"name": one.name, "path": one.path, "times": one.times} for one in faults])

    @property
    def runs(self) -> list[int]:
        """How often each prompt was run by the stand-in."""
        return list(self.standin.prompts.runs.values())

    async def workers_ready(self, count: int = 1) -> None:
        """Wait until so many workers have said that they are there."""
        store = self.api.resources.store
        async with asyncio.timeout(PATIENCE_S):
            while await store.call("ZCARD", store.keys.workers) < count:
                await asyncio.sleep(0.02)

    async def record(self, job_id: str) -> Job:
        """The job as it is stored, with the numbers that callers do not see."""
        return await load_job(self.api.resources.store, (await self.someone.me())["id"], job_id)

    async def finished(self, job_id: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The job once it has finished."""
        return await self.until(job_id, lambda job: job["status"] in FINISHED, within_s)

    async def until(
        self, job_id: str, holds: Callable[[dict[str, Any]], object], within_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The job once it is as wanted; tells how it was when it does not come about."""
        deadline = time.monotonic() + within_s
        while True:
            answer = await self.someone.get(f"/api/v1/jobs/{job_id}")
            job: dict[str, Any] = answer.json()
            if answer.status_code == 200 and holds(job):
                return job
            assert time.monotonic() < deadline, f"not within {within_s} s; it is {answer.text}\n{self._said}"
            await asyncio.sleep(0.02)

    @property
    def _said(self) -> str:
        """The last words of every worker."""
        return "\n".join(worker.log.read_text()[-2_000:] for worker in self.workers)

    async def at_work(self, job_id: str) -> None:
        """Wait until the stand-in draws for a job, and its worker has told of it."""
        await self.until(job_id, lambda job: job["progress"] and job["progress"]["step"])

    async def holder_of(self, job_id: str) -> WorkerProcess:
        """The worker that runs the job."""
        store = self.api.resources.store
        fence = await store.call("HGET", store.keys.job + job_id, "fence")
        pid = await store.call("HGET", store.keys.worker + fence.decode().partition(":")[0], "pid")
        return next(worker for worker in self.workers if worker.process.pid == int(pid))


OpenWorkshop = Callable[..., Awaitable[Workshop]]
