"""After Redis was restored from a backup, or lost, while the bucket was kept: make both agree, and tell what was lost.

The bucket is younger than the backup, so where both know a thing the archive is right. Nothing is guessed, and nothing
of the bucket is removed: what cannot be put back is told. May be repeated; meant to be run before workers start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from libs.admission.ledger import Difference, correct_counters
from libs.archive.logs import audit_log, read_forwards
from libs.archive.place import Place
from libs.archive.shelf import Shelf
from libs.archive.walk import find_orphans
from libs.artifacts.objects import Objects
from libs.audit.act import Act, read_act
from libs.ids import is_id
from libs.jobs.job import Job
from libs.jobs.lookup import newest_first
from libs.jobs.scripts import LEAVE_ARCHIVED
from libs.store.client import Store
from libs.store.stream import Entry

__all__ = ["Reconciliation", "reconcile"]

_PAGE = 1_000


@dataclass(slots=True)
class Reconciliation:
    """What was found.

    `acts` are those of admins that the backup did not know: they stand in the log again, but what they did does not.
    `finished_jobs` had not ended in the backup and lie finished in the archive: they left the queue again.
    `counters` of quotas were not what the ledger says, and are now.
    `lost_jobs` are jobs of which only objects are left, by user; `lost_artifacts` those of jobs whose objects are gone.
    `unknown_users` are users of whom there are objects and no record, with the number of those.
    """

    acts: list[Act] = field(default_factory=list)
    finished_jobs: list[str] = field(default_factory=list)
    counters: list[Difference] = field(default_factory=list)
    lost_jobs: Counter[str] = field(default_factory=Counter)
    lost_artifacts: list[str] = field(default_factory=list)
    unknown_users: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    objects: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing was lost."""
        return not (self.acts or self.lost_jobs or self.lost_artifacts or self.unknown_users)


async def reconcile(store: Store, objects: Objects, *, look: bool = False) -> Reconciliation:
    """Look at every user, job and object; with `look` change nothing. Raises Unavailable, and may be begun again."""
    found = Reconciliation()
    await _restore_acts(store, objects, found, look=look)
    async for user_id in _users(store):
        async for job in _jobs(store, user_id):
            found.jobs += 1
            await _reconcile_job(store, objects, job, found, look=look)
    found.counters = await correct_counters(store, objects, look=look)
    await _look_at_objects(store, objects, found)
    return found


async def _restore_acts(store: Store, objects: Objects, found: Reconciliation, *, look: bool) -> None:
    """Put back what the archive has behind the last act in Redis, so that the chain goes on from there."""
    newest = await store.call("XREVRANGE", store.keys.audit, "+", "-", "COUNT", 1)
    number = read_act(*newest[0]).number if newest else 0
    missing: list[Entry] = []
    async for entry in read_forwards(objects, audit_log(store.keys)):
        act = read_act(*entry)
        if act.number > number:
            found.acts.append(act)
            missing.append(entry)
    # Into an empty Redis only the last one goes: it is what the next act follows, and the archive has the others.
    for entry_id, words in () if look else missing[0 if newest else -1 :]:
        await store.call("XADD", store.keys.audit, entry_id, *words)


async def _users(store: Store) -> AsyncGenerator[str]:
    start = 0
    while ids := await store.call("ZRANGE", store.keys.users, start, start + _PAGE - 1):
        for user_id in ids:
            yield user_id.decode()
        start += len(ids)


async def _jobs(store: Store, user_id: str) -> AsyncGenerator[Job]:
    async for _job_id, job in newest_first(store, user_id, None, _PAGE):
        if job is not None:
            yield job


async def _reconcile_job(store: Store, objects: Objects, job: Job, found: Reconciliation, *, look: bool) -> None:
    if job.finished:
        for artifact in job.artifacts:
            if await objects.stat(artifact.object_name) is None:
                found.lost_artifacts.append(f"{job.id}/{artifact.name}")
        return
    archived = await Shelf(objects).find(job.user_id, job.id)
    if archived is not None:
        found.finished_jobs.append(job.id)
        if not look:
            await store.run(LEAVE_ARCHIVED, (), (job.id, job.user_id, archived.status))


async def _look_at_objects(store: Store, objects: Objects, found: Reconciliation) -> None:
    """Objects of nobody, and of nothing: a lost job is counted once, however many objects it left."""
    after, before = None, None
    while page := await objects.list("usr_", after=after, limit=_PAGE):
        found.objects += len(page)
        for user_id, count in Counter(facts.name.partition("/")[0] for facts in page).items():
            if is_id(user_id, "usr") and not await store.call("EXISTS", store.keys.user + user_id):
                found.unknown_users[user_id] += count
        for facts in await find_orphans(store, objects, page):
            place = Place.named(facts.name)
            if place is not None and place != before and is_id(place.of, "job"):
                found.lost_jobs[place.user_id] += 1
            before = place
        after = page[-1].name
