"""Items whose results are known: over when they become jobs, free of charge, with artifacts of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from libs.access.caller import Caller
from libs.admission.ledger import differences
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.artifacts.storage import stored_bytes
from libs.batches.batch import Batch
from libs.batches.items import Item
from libs.batches.lookup import load_batch
from libs.errors import Unavailable
from libs.jobs.job import Job
from libs.jobs.lifecycle import Claim, finish
from libs.jobs.lookup import Wanted, list_jobs, load_job
from libs.store.client import Store
from tests.fakes.batches import Desk
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants
from tests.integration.libs.jobs.snapshot import take_snapshot
from tests.servers import S3Server

FILES = (NewArtifact("a.txt", "text/plain", b"abc"), NewArtifact("b.txt", "text/plain", b"abcdef"))


class Dying(Objects):
    """A process that ends once a copy is made."""

    async def copy(self, name: str, target: str) -> bool:
        await super().copy(name, target)
        raise ProcessLookupError


class Away(Objects):
    """A store that is away when it is asked to copy."""

    asked = 0

    async def copy(self, name: str, target: str) -> bool:
        self.asked += 1
        raise Unavailable("objects")


def like(kind: type[Objects], s3: S3Server) -> Objects:
    return kind(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)


def items_of(numbers: Sequence[int], units: int = 2) -> list[Item]:
    """Items that take part, each of which says what it is."""
    return [Item({"n": n}, units, result=f"{n:064x}") for n in numbers]


async def whole(store: Store) -> None:
    """Every invariant of the queue and of batches, and no unit that is anywhere else than the ledger says."""
    now_s = int((await store.call("TIME"))[0])
    check_invariants(await take_snapshot(store), ["cpu"], now_s * 1000)
    assert [one async for one in differences(store)] == []


async def finish_with_files(desk: Desk, one: Claim, files: Sequence[NewArtifact] = FILES) -> None:
    made = await keep(desk.objects, one.user_id, one.job_id, one.created_at_ms, one.attempt, files)
    await finish(desk.store, one.job_id, one.fence, "succeed", output={"n": 1}, artifacts=made)


async def done_with_files(desk: Desk, caller: Caller, numbers: Sequence[int]) -> Batch:
    """A batch whose items have been worked on and have left files."""
    batch_id = await desk.submit(caller, items_of(numbers))
    await desk.tend()
    while claims := await desk.claim():
        for one in claims:
            await finish_with_files(desk, one)
    return await desk.until_over(caller, batch_id)


async def jobs_of(desk: Desk, batch: Batch) -> list[Job]:
    return [await load_job(desk.store, batch.user_id, batch.job_id(index)) for index in range(batch.items)]


async def spent(desk: Desk, caller: Caller) -> tuple[int, int]:
    """Units held and used, on whatever days."""
    found = [
        await desk.store.call("HMGET", key, "held", "used")
        for key in await desk.store.call("KEYS", f"{desk.store.keys.usage}{caller.user_id}:*")
    ]
    return sum(int(held or 0) for held, _ in found), sum(int(used or 0) for _, used in found)


async def test_a_batch_that_is_run_again_is_over_at_once_and_costs_nothing(desk: Desk) -> None:
    caller = await desk.caller()
    first = await desk.until_over(caller, await desk.submit(caller, items_of(range(320))))
    assert await spent(desk, caller) == (0, 640)
    await desk.store.call("SET", desk.store.keys.webhook_wants + caller.user_id, "job.succeeded job.queued")
    batch_id = await desk.submit(caller, items_of(range(320)))
    assert await spent(desk, caller) == (640, 640)
    await desk.tend()
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert (batch.status, batch.left, batch.counts["succeeded"]) == ("finished", 0, 320)
    assert await spent(desk, caller) == (0, 640)
    results = await desk.results(batch)
    assert [(one["index"], one["output"], one["cached"]) for one in results] == [
        (n, {"square": n * n}, True) for n in range(320)
    ]
    assert not any(one["cached"] for one in await desk.results(first))
    assert await desk.store.call("XLEN", desk.store.keys.outbox) == 320
    page = await list_jobs(desk.store, caller.user_id, Wanted(), limit=1)
    assert (page.jobs[0].id, page.jobs[0].batch_id, page.jobs[0].units) == (batch.job_id(319), batch_id, 0)
    await whole(desk.store)
    check_at_rest(await take_snapshot(desk.store), ["cpu"])


async def test_what_is_not_known_is_run_and_known_afterwards(desk: Desk) -> None:
    caller = await desk.caller()
    await desk.until_over(caller, await desk.submit(caller, items_of(range(0, 60, 2))), fails={4})
    batch_id = await desk.submit(caller, items_of(range(60)))
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert (batch.counts["queued"], batch.counts["succeeded"], batch.left) == (31, 29, 31)
    await whole(desk.store)
    batch = await desk.until_over(caller, batch_id)
    assert batch.counts["succeeded"] == 60
    assert [one["index"] for one in await desk.results(batch) if one["cached"]] == [
        n for n in range(0, 60, 2) if n != 4
    ]
    again = await desk.until_over(caller, await desk.submit(caller, items_of(range(60))))
    assert all(one["cached"] for one in await desk.results(again))
    assert await spent(desk, caller) == (0, 2 * 60)
    await whole(desk.store)


async def test_who_takes_no_part_is_given_nothing_and_leaves_nothing(desk: Desk) -> None:
    caller = await desk.caller()
    silent = [Item({"n": 1}, 1)]
    for items, cached in ((silent, False), (items_of([1]), False), (silent, False), (items_of([1]), True)):
        batch = await desk.until_over(caller, await desk.submit(caller, items))
        assert [one["cached"] for one in await desk.results(batch)] == [cached]


async def test_equal_items_that_enter_together_are_all_run_and_later_ones_are_known(desk: Desk) -> None:
    caller = await desk.caller(queued_max=100)
    batch = await desk.until_over(caller, await desk.submit(caller, items_of([7] * 120)))
    cached = [one["cached"] for one in await desk.results(batch)]
    assert cached == [False] * 50 + [True] * 70


async def test_artifacts_of_known_items_are_copies_of_their_own(desk: Desk) -> None:
    caller = await desk.caller()
    first = await done_with_files(desk, caller, range(60))
    assert await stored_bytes(desk.store, caller.user_id) == 60 * 9
    batch = await desk.until_over(caller, await desk.submit(caller, items_of(range(60))))
    for job in await jobs_of(desk, first):
        await desk.objects.remove_each([one.object_name for one in job.artifacts])
    for job in await jobs_of(desk, batch):
        assert (job.cached, job.status, job.output) == (True, "succeeded", {"n": 1})
        assert all(f"/{job.id}/" in one.object_name for one in job.artifacts)
        read = [await desk.objects.get(one.object_name, bytes_max=100) for one in job.artifacts]
        assert read == [b"abc", b"abcdef"]
    assert [one["name"] for one in (await desk.results(batch))[59]["artifacts"]] == ["a.txt", "b.txt"]
    assert await stored_bytes(desk.store, caller.user_id) == 120 * 9
    await whole(desk.store)


async def test_items_whose_files_are_gone_are_run_and_the_others_are_known(desk: Desk) -> None:
    caller = await desk.caller()
    first = await done_with_files(desk, caller, range(10))
    gone = (await jobs_of(desk, first))[3]
    await desk.objects.remove(gone.artifacts[1].object_name)
    batch_id = await desk.submit(caller, items_of(range(10)))
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert [job.cached for job in await jobs_of(desk, batch)] == [n != 3 for n in range(10)]
    assert await desk.work() == [3]
    await whole(desk.store)


async def test_while_files_cannot_be_copied_the_items_are_run(desk: Desk, s3: S3Server) -> None:
    caller = await desk.caller()
    await done_with_files(desk, caller, range(5))
    batch_id = await desk.submit(caller, items_of(range(5)))
    away = Away(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)
    await Desk(desk.store, away).tend()
    assert (await load_batch(desk.store, caller.user_id, batch_id)).counts["queued"] == 5
    assert sorted(await desk.work()) == list(range(5))
    assert away.asked == 5 * len(FILES), "what could not be had is not asked for again"
    away.close()


async def test_who_dies_after_copying_has_written_nothing_and_the_next_one_goes_on(desk: Desk, s3: S3Server) -> None:
    caller = await desk.caller()
    await done_with_files(desk, caller, range(20))
    batch_id = await desk.submit(caller, items_of(range(20)))
    dying = like(Dying, s3)
    with pytest.raises(ExceptionGroup):
        await Desk(desk.store, dying).tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert (batch.next_item, batch.left) == (0, 20)
    assert await stored_bytes(desk.store, caller.user_id) == 20 * 9
    await whole(desk.store)
    batch = await desk.until_over(caller, batch_id)
    assert all(one["cached"] for one in await desk.results(batch))
    assert await stored_bytes(desk.store, caller.user_id) == 40 * 9
    dying.close()


async def test_two_who_feed_the_same_items_at_once_make_each_of_them_a_job_once(desk: Desk) -> None:
    caller = await desk.caller()
    await done_with_files(desk, caller, range(30))
    batch_id = await desk.submit(caller, items_of(range(30)))
    (due,) = await desk.tender.take(1)
    await asyncio.gather(*[desk.tender.tend(due) for _ in range(4)])
    batch = await desk.until_over(caller, batch_id)
    for job in await jobs_of(desk, batch):
        assert job.cached
        assert await desk.objects.get(job.artifacts[0].object_name, bytes_max=100) == b"abc"
    assert await stored_bytes(desk.store, caller.user_id) == 60 * 9
    await whole(desk.store)


async def test_a_result_that_changes_while_its_files_are_copied_is_the_new_one(desk: Desk, s3: S3Server) -> None:
    caller = await desk.caller()
    await desk.submit(caller, items_of([1, 1]))
    await desk.tend()
    old, new = await desk.claim()
    await finish_with_files(desk, old)
    batch_id = await desk.submit(caller, items_of([1]))

    class Overtaken(Objects):
        """Another equal job ends meanwhile, once."""

        done = False

        async def copy(self, name: str, target: str) -> bool:
            if not self.done:
                self.done = True
                await finish_with_files(desk, new, [NewArtifact("a.txt", "text/plain", b"newer")])
            return await super().copy(name, target)

    overtaken = like(Overtaken, s3)
    await Desk(desk.store, overtaken).tend()
    (job,) = await jobs_of(desk, await load_batch(desk.store, caller.user_id, batch_id))
    assert (job.cached, [one.size_bytes for one in job.artifacts]) == (True, [5])
    overtaken.close()


async def test_who_may_store_no_more_is_given_no_copies_and_has_the_work_done(desk: Desk) -> None:
    caller = await desk.caller(stored_bytes_max=40)
    await done_with_files(desk, caller, range(3))
    batch_id = await desk.submit(caller, items_of(range(3)))
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert [job.cached for job in await jobs_of(desk, batch)] == [True, True, False], "27 bytes, then 36, then 45"


async def test_known_items_take_no_places_and_are_counted_in_the_blocks_they_lie_in(desk: Desk) -> None:
    """Chunks of thirty over blocks of 250, one of which holds an item that is not known."""
    caller = await desk.caller(queued_max=60)
    await desk.until_over(caller, await desk.submit(caller, items_of(range(300))))
    batch_id = await desk.submit(caller, items_of([*range(300), 900]))
    await desk.tend()
    assert (await load_batch(desk.store, caller.user_id, batch_id)).next_item > 30, "more than there are places for"
    batch = await desk.until_over(caller, batch_id)
    assert [one["index"] for one in await desk.results(batch) if not one["cached"]] == [300]
    await whole(desk.store)
