"""Jobs on their way to the archive: whoever dies on it loses nothing, and nothing is told twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.access.users import begin_erasure, create_user
from libs.accounts.erase import erase_user
from libs.archive.agenda import AGENDA
from libs.archive.moving import archive_finished
from libs.archive.records import Records
from libs.archive.segment import Segment
from libs.artifacts.names import artifact_name, attempt_prefix
from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from libs.jobs.lifecycle import cancel
from libs.jobs.lookup import Wanted
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.hands import end, give_up, start
from tests.fakes.history import archive_all, keys_naming, make_artifact, run_one

ALL = Wanted()


class DeathError(BaseException):
    """The process ends here."""


async def canceled_jobs(store: Store, user_id: str, count: int) -> list[str]:
    caller = make_caller(user_id=user_id)
    made = [(await submit(store, caller)).job_id for _ in range(count)]
    for job_id in made:
        assert await cancel(store, user_id, job_id) == "canceled"
    return sorted(made, reverse=True)


async def listed(records: Records, user_id: str) -> list[str]:
    return [job.id for job in (await records.list_jobs(user_id, ALL, limit=100)).jobs]


async def names(objects: Objects, prefix: str) -> list[str]:
    return [facts.name for facts in await objects.list(prefix)]


async def names_with(objects: Objects, user_id: str) -> list[str]:
    """Every object of a user's, and every note on one."""
    notes = [(name, await objects.get(name, bytes_max=1_024)) for name in await names(objects, AGENDA)]
    return [
        *[name for name, about in notes if user_id.encode() in (about or b"")],
        *await names(objects, f"{user_id}/"),
    ]


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_death_at_any_step_loses_nothing_and_shows_nothing_twice(
    store: Store, user_id: str, objects: Objects, records: Records, monkeypatch: pytest.MonkeyPatch, when: str, nth: int
) -> None:
    made = await canceled_jobs(store, user_id, 7)
    monkeypatch.setattr("libs.archive.moving.SEGMENT_JOBS_MAX", 3)
    monkeypatch.setattr("libs.archive.moving._YIELDED_AT_ONCE", 2)
    steps = 0

    def dying(call: Any) -> Any:
        async def wrapped(self: Any, *words: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == nth and when == "before":
                raise DeathError
            reply = await call(self, *words)
            if steps == nth:
                raise DeathError
            return reply

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", dying(Objects.put))
        patch.setattr(Store, "run", dying(Store.run))
        with pytest.raises(DeathError):
            await archive_all(store, objects)
    assert await listed(records, user_id) == made
    late = await canceled_jobs(store, user_id, 2)  # so that the second try cuts its segments otherwise
    await archive_all(store, objects)
    assert await listed(records, user_id) == late + made
    for job_id in made:
        assert (await records.load_job(user_id, job_id)).status == "canceled"
    left = {key.partition(":")[2].partition(":")[0] for key in await keys_naming(store, *made)}
    assert left <= {"ledger", "recent"}  # of what began when this test did, in this very millisecond
    segments = [Segment.named(name) for name in await names(objects, f"{user_id}/archive/")]
    assert {one.note_name for one in segments if one is not None} <= set(await names_with(objects, user_id))


async def test_two_workers_at_once_store_what_one_would(
    store: Store, user_id: str, objects: Objects, records: Records
) -> None:
    made = await canceled_jobs(store, user_id, 20)
    await asyncio.sleep(0.002)
    await asyncio.gather(*[archive_finished(store, objects, 0) for _ in range(4)])
    assert await listed(records, user_id) == made
    assert len(await names(objects, f"{user_id}/archive/jobs/")) == 1


async def test_a_record_that_changed_meanwhile_is_archived_as_it_is_then(
    store: Store, user_id: str, objects: Objects, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = await canceled_jobs(store, user_id, 1)
    put = Objects.put

    async def change_then_put(self: Objects, name: str, *words: Any) -> None:
        await put(self, name, *words)
        if "/archive/jobs/" in name:
            await store.call("HSET", store.keys.job + job_id, "metadata", '{"late":1}', "version", 9)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", change_then_put)
        assert await archive_all(store, objects) == 0
    assert await store.call("EXISTS", store.keys.job + job_id) == 1
    assert await archive_all(store, objects) == 1
    found = await records.load_job(user_id, job_id)
    assert (found.metadata, found.version) == ({"late": 1}, 9)


async def test_only_what_is_over_for_that_long_moves_and_in_rounds(
    store: Store, user_id: str, objects: Objects
) -> None:
    caller = make_caller(user_id=user_id)
    young, waiting = (await submit(store, caller)).job_id, (await submit(store, caller)).job_id
    await cancel(store, caller.user_id, young)
    assert await archive_finished(store, objects, 3_600) == 0
    await store.call("ZADD", store.keys.finished + caller.user_id, 1_000, young)
    await store.call("ZADD", store.keys.archiving, 1_000, caller.user_id)
    assert await archive_finished(store, objects, 3_600) == 1
    assert await store.call("EXISTS", store.keys.job + young, store.keys.job + waiting) == 1
    assert await store.call("EXISTS", store.keys.archiving, store.keys.finished + caller.user_id) == 0


async def test_a_record_that_nobody_understands_stays_and_holds_nobody_up(
    store: Store, user_id: str, objects: Objects, records: Records
) -> None:
    broken, good = await canceled_jobs(store, user_id, 2)
    await store.call("HSET", store.keys.job + broken, "artifacts", "no json")
    assert await archive_all(store, objects) == 1
    assert (await records.load_job(user_id, good)).status == "canceled"
    assert await store.call("PTTL", store.keys.job + broken) > 0
    assert await archive_all(store, objects) == 0


async def test_what_lost_attempts_stored_goes_when_their_job_is_archived(
    store: Store, objects: Objects, records: Records
) -> None:
    caller = make_caller()
    await submit(store, caller, queue="gpu")
    lost = await start(store)
    loser = artifact_name(
        attempt_prefix(lost.user_id, lost.job_id, lost.created_at_ms, lost.attempt), 0, "0" * 64, "png"
    )
    await objects.put(loser, b"half a picture", "image/png")
    await end(store, lost, "retry")
    await make_artifact(store, objects)
    assert await archive_all(store, objects) == 1
    (kept,) = (await records.load_job(caller.user_id, lost.job_id)).artifacts
    assert kept.object_name.split("/")[-2] == "attempt-2"
    assert await objects.stat(kept.object_name) is not None
    assert await objects.stat(loser) is None


async def test_while_the_object_store_is_away_everything_stays_in_redis(
    store: Store, user_id: str, objects: Objects
) -> None:
    made = await canceled_jobs(store, user_id, 3)
    away = Objects("127.0.0.1:1", "key", "secret", objects.bucket)
    with pytest.raises(Unavailable):
        await archive_all(store, away)
    away.close()
    assert await store.call("EXISTS", *[store.keys.job + job_id for job_id in made]) == 3


async def test_a_user_who_is_erased_while_a_segment_is_stored_leaves_none(
    store: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await create_user(store, "ada@example.com", "free")
    await canceled_jobs(store, user.id, 3)
    put = Objects.put

    async def erase_then_put(self: Objects, name: str, *words: Any) -> None:
        if name.startswith(user.id):
            await begin_erasure(store, user.id)
            assert await erase_user(store, objects, user.id)
        await put(self, name, *words)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", erase_then_put)
        await archive_all(store, objects)
    assert await names_with(objects, user.id) == []


async def test_nothing_of_a_user_who_is_being_erased_is_archived(store: Store, objects: Objects) -> None:
    user = await create_user(store, "ada@example.com", "free")
    await canceled_jobs(store, user.id, 3)
    await begin_erasure(store, user.id)
    assert await archive_all(store, objects) == 0
    assert await names_with(objects, user.id) == []


async def test_an_erased_user_leaves_nothing_in_the_archive(store: Store, objects: Objects) -> None:
    user, other = [await create_user(store, f"{n}@example.com", "free") for n in range(2)]
    for one in (user, other):
        await canceled_jobs(store, one.id, 3)
    await archive_all(store, objects)
    await begin_erasure(store, user.id)
    assert await erase_user(store, objects, user.id)
    assert await names_with(objects, user.id) == []
    assert len(await names_with(objects, other.id)) == 4  # jobs and ledger, and a note on each
    assert await keys_naming(store, user.id) <= {store.keys.recent, store.keys.audit}


async def test_a_job_given_up_for_dead_is_archived_and_its_owner_remembered(
    store: Store, user_id: str, objects: Objects
) -> None:
    caller = make_caller(user_id=user_id)
    await submit(store, caller, queue="gpu")
    dead = await give_up(store)
    assert await archive_all(store, objects) == 1
    assert await store.call("HGET", store.keys.dead_owners, dead) == caller.user_id.encode()


async def test_many_jobs_take_few_objects(store: Store, objects: Objects, records: Records) -> None:
    caller = make_caller(slots=1)
    made = {(await submit(store, caller, queue="gpu", input={"n": n})).job_id: n for n in range(120)}
    for _ in made:
        await run_one(store)
    assert await archive_all(store, objects) == 120
    assert len(await names(objects, f"{caller.user_id}/archive/jobs/")) == 1
    page = await records.list_jobs(caller.user_id, ALL, limit=100)
    rest = await records.list_jobs(caller.user_id, ALL, limit=100, before=page.before)
    found = [*page.jobs, *rest.jobs]
    assert [job.id for job in found] == sorted(made, reverse=True)
    assert {job.id: job.input["n"] for job in found} == made


async def test_redis_has_the_same_keys_after_many_jobs_as_after_few(store: Store, objects: Objects) -> None:
    callers = [make_caller() for _ in range(3)]

    async def live(rounds: int) -> dict[str, int]:
        for n in range(rounds):
            for caller in callers:
                digest = f"{caller.user_id[-4:]}{rounds}{n}"
                await submit(store, caller, queue="gpu", fairness_key=f"{n}", idempotency=digest, fingerprint="f")
                await make_artifact(store, objects)
                await submit(store, caller, queue="gpu")
                await run_one(store, ending="fail", payment="refund", error={"code": "x"})
                await cancel(store, caller.user_id, (await submit(store, caller, queue="gpu")).job_id)
        await archive_all(store, objects)
        sizes = {b"zset": "ZCARD", b"hash": "HLEN", b"set": "SCARD", b"stream": "XLEN", b"list": "LLEN"}
        return {
            key.decode(): await store.call(sizes.get(await store.call("TYPE", key), "STRLEN"), key)
            for key in await store.call("KEYS", "*")
            if not key.startswith(store.keys.idempotency.encode())
        }

    few, many = await live(1), await live(12)
    bells = store.keys.bell
    assert {key: size for key, size in many.items() if not key.startswith(bells)} == {
        key: size for key, size in few.items() if not key.startswith(bells)
    }
    for key in await store.call("KEYS", store.keys.idempotency + "*"):
        assert 0 < await store.call("TTL", key) <= 86_400
