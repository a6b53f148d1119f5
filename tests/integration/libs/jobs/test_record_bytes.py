"""The bytes of a user's records: a sum that balances whatever becomes of them, and a ceiling on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.access.caller import Caller
from libs.admission.result import admit_or_know
from libs.archive.moving import archive_finished
from libs.artifacts.objects import Objects
from libs.batches.cancel import cancel_batch
from libs.errors import Refusal
from libs.jobs.lifecycle import cancel, claim, finish
from libs.jobs.lookup import ALL, list_jobs
from libs.jobs.record_bytes import record_bytes, recount
from libs.jobs.scripts import FORGET_BATCH, FORGET_JOBS
from libs.store.client import Store
from tests.fakes.batches import Desk, items_of
from tests.fakes.callers import QUEUE_RULE, make_application, make_caller, submit
from tests.fakes.history import own_bucket
from tests.patience import PATIENCE_S
from tests.servers import S3Server

LARGE: dict[str, object] = {"text": "x" * 10_000}


@pytest.fixture
async def objects(s3: S3Server) -> AsyncIterator[Objects]:
    """A bucket of the test's own: what is archived of all users has no name of its own."""
    async with own_bucket(s3) as opened:
        yield opened


async def archive(store: Store, objects: Objects, jobs: int) -> None:
    """Move so many jobs: what ended in this very millisecond is not yet old enough."""
    async with asyncio.timeout(PATIENCE_S):
        while jobs > 0:
            jobs -= await archive_finished(store, objects, 0)


async def balance(store: Store, caller: Caller) -> int:
    """The sum, which must be what a recount finds."""
    counted, found = await recount(store, caller.user_id, look=True)
    assert counted == found
    return counted


async def test_an_order_counts_with_its_input_and_metadata_and_its_output_when_it_ends(store: Store) -> None:
    caller = make_caller()
    plain = (await submit(store, caller)).job_id
    small = await balance(store, caller)
    assert 50 < small < 500
    await submit(store, caller, input=LARGE, metadata=LARGE)
    both = await balance(store, caller)
    assert 20_000 < both - 2 * small < 20_200
    claimed = {one.job_id: one for one in (await claim(store, "w1", ["cpu"], 10, 30)).jobs}
    await finish(store, plain, claimed[plain].fence, "succeed", output=LARGE)
    await finish(store, plain, claimed[plain].fence, "succeed", output=LARGE)  # sent again
    assert 10_000 < await balance(store, caller) - both < 10_200


async def test_a_canceled_or_retried_order_counts_as_before(store: Store) -> None:
    caller = make_caller()
    job_id = (await submit(store, caller, input=LARGE)).job_id
    before = await balance(store, caller)
    (claimed,) = (await claim(store, "w1", ["cpu"], 10, 30)).jobs
    error = {"code": "x", "detail": "y" * 5_000, "retryable": True}
    await finish(store, job_id, claimed.fence, "retry", error=error)
    assert await balance(store, caller) == before
    await cancel(store, caller.user_id, job_id)
    assert await balance(store, caller) == before


async def test_what_moves_to_the_archive_or_is_erased_counts_no_more(store: Store, objects: Objects) -> None:
    caller = make_caller()
    for _ in range(3):
        await submit(store, caller, input=LARGE)
    for one in (await claim(store, "w1", ["cpu"], 2, 30)).jobs:
        await finish(store, one.job_id, one.fence, "succeed", output=LARGE)
    await archive(store, objects, 2)
    assert 10_000 < await balance(store, caller) < 11_000
    (left,) = (await list_jobs(store, caller.user_id, ALL, limit=10)).jobs
    await cancel(store, caller.user_id, left.id)
    assert await store.run(FORGET_JOBS, (), (caller.user_id, left.id)) == 0
    assert await balance(store, caller) == 0
    assert await store.call("EXISTS", store.keys.record_bytes + caller.user_id) == 0


async def test_a_known_result_counts_with_its_output(store: Store, objects: Objects) -> None:
    caller = make_caller()
    wanted = make_application(result="digest")
    first = await admit_or_know(store, objects, caller, wanted, QUEUE_RULE, None)
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    await finish(store, first.job_id, claimed.fence, "succeed", output=LARGE)
    one = await balance(store, caller)
    known = await admit_or_know(store, objects, caller, wanted, QUEUE_RULE, None)
    assert known.known
    assert await balance(store, caller) == pytest.approx(2 * one, abs=200)


async def test_a_user_at_the_ceiling_is_refused_until_something_leaves(store: Store, objects: Objects) -> None:
    caller = make_caller("free", records_bytes_max=25_000, units_per_day=None)
    for _ in range(2):
        await submit(store, caller, input=LARGE)
    with pytest.raises(Refusal, match="records_exceeded") as refused:
        await submit(store, caller, input=LARGE)
    assert refused.value.members["violated-policies"] == ["records"]
    assert refused.value.retry_after_s is not None
    await submit(store, caller)  # a small one fits
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    await finish(store, claimed.job_id, claimed.fence, "succeed")
    await archive(store, objects, 1)
    await submit(store, caller, input=LARGE)


async def test_an_idempotent_replay_is_answered_at_the_ceiling(store: Store) -> None:
    caller = make_caller(records_bytes_max=11_000)
    first = await submit(store, caller, input=LARGE, idempotency="k", fingerprint="f")
    again = await submit(store, caller, input=LARGE, idempotency="k", fingerprint="f")
    assert (again.replayed, again.job_id) == (True, first.job_id)


async def test_the_items_of_a_batch_count_from_its_admission_to_their_end(store: Store, objects: Objects) -> None:
    desk = Desk(store, objects)
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(120, metadata={"a": "x" * 1_000}))
    admitted = await balance(store, caller)
    assert admitted > 120_000
    await desk.tend()
    assert await balance(store, caller) == pytest.approx(admitted, rel=0.25)
    await desk.until_over(caller, batch_id)
    assert await balance(store, caller) == pytest.approx(admitted, rel=0.25)
    await archive(store, objects, 120)
    await store.run(FORGET_BATCH, (), (batch_id, caller.user_id))
    assert await balance(store, caller) == 0


async def test_a_canceled_batch_gives_back_the_bytes_of_what_never_became_a_job(store: Store, objects: Objects) -> None:
    desk = Desk(store, objects)
    caller = await desk.caller(queued_max=10)
    batch_id = await desk.submit(caller, items_of(200, metadata={"a": "x" * 1_000}))
    await desk.tend()
    assert await balance(store, caller) > 190_000
    await cancel_batch(store, caller.user_id, batch_id)
    assert 0 < await balance(store, caller) < 30_000


async def test_a_batch_whose_items_would_pass_the_ceiling_is_refused_whole(store: Store, objects: Objects) -> None:
    desk = Desk(store, objects)
    caller = await desk.caller(records_bytes_max=50_000)
    with pytest.raises(Refusal, match="records_exceeded"):
        await desk.submit(caller, items_of(60, metadata={"a": "x" * 1_000}))
    assert await balance(store, caller) == 0
    await desk.submit(caller, items_of(30, metadata={"a": "x" * 1_000}))


async def test_a_record_that_expired_is_missed_and_the_sum_made_right(store: Store) -> None:
    caller = make_caller()
    gone, stays = [(await submit(store, caller, input=LARGE)).job_id for _ in range(2)]
    await store.call("DEL", store.keys.job + gone)
    assert await record_bytes(store, caller.user_id) > 20_000
    page = await list_jobs(store, caller.user_id, ALL, limit=10)
    assert [job.id for job in page.jobs] == [stays]
    assert 10_000 < await balance(store, caller) < 11_000
