"""Foreign jobs, which came through ARQ's own `enqueue_job` or its cron: ARQ runs them, and we end them."""

from __future__ import annotations

from arq.utils import timestamp_ms
from arq.worker import Worker

from libs.jobs.lifecycle import Claim, FencedError
from libs.jobs.scripts import FOREIGN
from libs.queue.patience import through_outages
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["ForeignJobs"]


async def _finish_foreign(
    store: Store, claim: Claim, *, done: bool, result: bytes | None, kept_s: float, delay_s: float, marked_s: float
) -> None:
    """Write the result where ARQ's `Job.result()` looks (`kept_s` 0: for ever), or put the job back.

    `marked_s` keeps ARQ's in-progress mark, so that a cron job of one instant runs once. Raises FencedError.
    """
    words = (
        claim.job_id,
        claim.queue,
        claim.fence,
        "finish" if done else "retry",
        result or b"",
        int(kept_s * 1000),
        int(delay_s * 1000),
        int(marked_s * 1000),
    )
    if await through_outages(lambda: store.run(FOREIGN, (), words)) == b"fenced":
        raise FencedError(claim.job_id)


class ForeignJobs(Worker):
    """The half of the worker that ARQ's code runs in."""

    running: dict[str, Running]
    _store: Store

    async def _run_foreign(self, running: Running) -> None:
        with running.handling():
            await self.run_job(running.claim.job_id, timestamp_ms())

    async def finish_job(
        self,
        job_id: str,
        finish: bool,
        result_data: bytes | None,
        result_timeout_s: float | None,
        keep_result_forever: bool,
        incr_score: int | None,
        keep_in_progress: float | None,
    ) -> None:
        """End a foreign job under its fence, through an outage of Redis if need be."""
        running = self.running[job_id]
        await _finish_foreign(
            self._store,
            running.claim,
            done=finish,
            result=result_data,
            kept_s=0.0 if keep_result_forever else (result_timeout_s or self.keep_result_s),
            delay_s=(incr_score or 0) / 1000,
            marked_s=keep_in_progress or 0.0,
        )

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """End a foreign job that could not be run."""
        await self.finish_job(job_id, True, result_data, None, self.keep_result_forever, None, None)
