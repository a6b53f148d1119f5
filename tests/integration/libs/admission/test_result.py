"""Whoever dies or is cut off between the two questions leaves no job; whoever comes after gets one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from libs.access.caller import Caller
from libs.admission.admit import Admission
from libs.admission.result import admit_or_know
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.artifacts.storage import stored_bytes
from libs.errors import Unavailable
from libs.jobs.lifecycle import claim, finish
from libs.jobs.lookup import Wanted, list_jobs
from libs.store.client import Store
from tests.fakes.callers import QUEUE_RULE, make_application, make_caller
from tests.servers import S3Server

DIGEST = "ab" * 32
SOME = make_application(result=DIGEST)


class Dying(Objects):
    """A process that ends once the copy is made."""

    async def copy(self, name: str, target: str) -> bool:
        await super().copy(name, target)
        raise ProcessLookupError


class Away(Objects):
    """A store that is away when it is asked to copy."""

    async def copy(self, name: str, target: str) -> bool:
        raise Unavailable("objects")


@pytest.fixture
def objects(s3: S3Server) -> Iterator[Objects]:
    opened = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)
    yield opened
    opened.close()


def like(objects: Objects, kind: type[Objects], s3: S3Server) -> Objects:
    return kind(s3.endpoint, s3.access_key, s3.secret_key, objects.bucket)


async def submit(store: Store, objects: Objects, caller: Caller, **members: object) -> Admission:
    return await admit_or_know(store, objects, caller, replace(SOME, **members), QUEUE_RULE, None)  # type: ignore[arg-type]


async def work(store: Store, objects: Objects, text: bytes) -> str:
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    files = (NewArtifact("a.txt", "text/plain", text), NewArtifact("b.txt", "text/plain", text * 2))
    made = await keep(objects, claimed.user_id, claimed.job_id, claimed.created_at_ms, claimed.attempt, files)
    await finish(store, claimed.job_id, claimed.fence, "succeed", output={"n": len(text)}, artifacts=made)
    return claimed.job_id


async def names(objects: Objects, user_id: str, job_id: str = "") -> list[str]:
    return [each.name for each in await objects.list(f"{user_id}/") if job_id in each.name]


async def jobs(store: Store, user_id: str) -> list[str]:
    return [job.id for job in (await list_jobs(store, user_id, Wanted(), limit=100)).jobs]


async def test_who_dies_after_copying_leaves_no_job_and_the_next_one_is_known(
    store: Store, objects: Objects, s3: S3Server
) -> None:
    caller = make_caller("pro")
    first = await submit(store, objects, caller)
    await work(store, objects, b"abc")
    dying = like(objects, Dying, s3)
    with pytest.raises(ExceptionGroup):
        await submit(store, dying, caller, idempotency="k", fingerprint="f")
    assert await jobs(store, caller.user_id) == [first.job_id]
    assert await stored_bytes(store, caller.user_id) == 9
    second = await submit(store, objects, caller, idempotency="k", fingerprint="f")
    assert (second.known, second.replayed) == (True, False)
    assert len(await names(objects, caller.user_id, second.job_id)) == 2
    assert await stored_bytes(store, caller.user_id) == 18
    dying.close()


async def test_while_the_object_store_is_away_the_work_is_done_again(
    store: Store, objects: Objects, s3: S3Server
) -> None:
    caller = make_caller("pro")
    await submit(store, objects, caller)
    await work(store, objects, b"abc")
    away = like(objects, Away, s3)
    second = await submit(store, away, caller)
    assert not second.known
    assert second.job is not None
    assert second.job.status == "queued"
    away.close()


async def test_a_result_that_changes_while_its_artifacts_are_copied_is_the_new_one(
    store: Store, objects: Objects, s3: S3Server
) -> None:
    caller = make_caller("pro")
    for _ in range(2):
        await submit(store, objects, caller)
    await work(store, objects, b"old")

    class Overtaken(Objects):
        """Another equal job ends meanwhile, once."""

        ended = ""

        async def copy(self, name: str, target: str) -> bool:
            if not self.ended:
                self.ended = "soon"
                self.ended = await work(store, objects, b"newer")
            return await super().copy(name, target)

    overtaken = like(objects, Overtaken, s3)
    third = await submit(store, overtaken, caller)
    assert third.known
    assert third.job is not None
    assert third.job.output == {"n": 5}
    assert [artifact.size_bytes for artifact in third.job.artifacts] == [5, 10]
    kept = await names(objects, caller.user_id, third.job_id)
    assert kept == sorted(artifact.object_name for artifact in third.job.artifacts), "nothing of the old one is left"
    overtaken.close()


async def test_many_at_once_are_each_known_with_artifacts_of_their_own(store: Store, objects: Objects) -> None:
    caller = make_caller("internal")
    await submit(store, objects, caller)
    await work(store, objects, b"abc")
    many = await asyncio.gather(*[submit(store, objects, caller) for _ in range(30)])
    assert all(one.known for one in many)
    owned = [artifact.object_name for one in many if one.job is not None for artifact in one.job.artifacts]
    assert len(set(owned)) == 60
    assert set(owned) <= set(await names(objects, caller.user_id))
    assert await stored_bytes(store, caller.user_id) == 31 * 9


async def test_a_user_with_too_much_stored_is_given_no_copies_either(store: Store, objects: Objects) -> None:
    caller = make_caller("pro", stored_bytes_max=9)
    await submit(store, objects, caller)
    await work(store, objects, b"abc")
    before = await names(objects, caller.user_id)
    with pytest.raises(Exception, match="storage_exceeded"):
        await submit(store, objects, caller)
    assert await names(objects, caller.user_id) == before
