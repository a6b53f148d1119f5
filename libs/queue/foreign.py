"""The ending of a foreign job: one that came through ARQ's own `enqueue_job`, or its cron."""

from __future__ import annotations

from libs.jobs.lifecycle import Claim, FencedError
from libs.jobs.scripts import FOREIGN
from libs.queue.patience import through_outages
from libs.store.client import Store

__all__ = ["finish_foreign"]


async def finish_foreign(
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
