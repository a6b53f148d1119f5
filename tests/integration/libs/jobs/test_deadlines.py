"""Deadlines bound how long a job waits for its start, and nothing else."""

from __future__ import annotations

from libs import limits
from libs.jobs.lifecycle import Claim, claim, finish, sweep, wake
from libs.jobs.lookup import load_job
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import ClockedStore

LEASE_S = 1e6


async def claim_one(store: ClockedStore) -> Claim:
    (claimed,) = (await claim(store, "w", ["cpu"], 1, LEASE_S)).jobs
    return claimed


async def test_a_job_that_waits_at_its_provider_does_not_expire_deferred_held_or_ready(clocked: ClockedStore) -> None:
    caller = make_caller(slots=1)
    waiting = await submit(clocked, caller, deadline_s=60)
    first = await claim_one(clocked)
    await finish(clocked, first.job_id, first.fence, "wait", delay_s=3_600)
    await submit(clocked, caller, deadline_s=7_200)
    running = await claim_one(clocked)
    await clocked.pass_time(120_000)
    assert await sweep(clocked, "cpu", most=10, offset=0) == (0, 0)  # deferred

    await wake(clocked, [waiting.job_id])
    assert (await claim(clocked, "w", ["cpu"], 1, LEASE_S)).jobs == ()
    assert await sweep(clocked, "cpu", most=10, offset=0) == (0, 0)  # held: its user's slot is taken

    await finish(clocked, running.job_id, running.fence, "succeed")
    assert await sweep(clocked, "cpu", most=10, offset=0) == (0, 0)  # ready
    resumed = await claim_one(clocked)
    assert (resumed.job_id, resumed.attempt) == (waiting.job_id, 1)
    await finish(clocked, resumed.job_id, resumed.fence, "succeed")
    assert (await load_job(clocked, caller.user_id, waiting.job_id)).status == "succeeded"


async def test_what_a_job_needs_outlives_the_longest_schedule_and_the_longest_wait(clocked: ClockedStore) -> None:
    caller = make_caller()
    longest_s = limits.SCHEDULE_S_MAX + limits.DEADLINE_S_MAX
    run_at_ms = clocked.now_ms + limits.SCHEDULE_S_MAX * 1000
    await submit(clocked, caller, run_at_ms=run_at_ms, deadline_s=limits.DEADLINE_S_MAX)
    for head in (clocked.keys.share, clocked.keys.usage):
        (key,) = await clocked.call("KEYS", head + "*")
        assert await clocked.call("TTL", key) > longest_s
