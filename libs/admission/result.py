"""Known results: a job whose work was done before is over the moment it is let in.

The script that admits looks the result up, so that this and the admission are one decision. Artifacts cannot be shared,
for each job's live as long as its own user's plan says: where a result has some, the script asks for copies first,
and nothing is written until they are there. A copy that nobody came back for lies below the prefix of a job that never
was, like what a lost attempt leaves.
"""

from __future__ import annotations

from libs.access.caller import Caller
from libs.admission.admit import Admission, Application, Copies, CopiesWanted, QueueRule, admit, ask
from libs.admission.rate import RateRule
from libs.artifacts.copies import copy_each, placed_below
from libs.artifacts.names import attempt_prefix
from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from libs.ids import new_id
from libs.store.client import Store

__all__ = ["admit_or_know"]

#: How often the result may change its job while its artifacts are copied, before the job is simply run.
_ASKED_MAX = 3
_NEVER_RUN = 0


async def admit_or_know(  # what `admit` takes, and where the files are
    store: Store,
    objects: Objects,
    caller: Caller,
    wanted: Application,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
) -> Admission:
    """Let a job in as `admit` does; it is over already (`known`) where its result is known.

    What cannot be copied (its objects are gone, the store is away) is run like any other job.
    """
    if wanted.result is None or wanted.retry_of is not None:
        return await admit(store, caller, wanted, queue_rule, rate_rule)
    job_id, copies = new_id("job"), Copies()
    for _ in range(_ASKED_MAX):
        answer = await ask(store, job_id, caller, wanted, queue_rule, rate_rule, copies)
        if isinstance(answer, Admission):
            if not answer.known:
                await _remove(objects, copies)
            return answer
        await _remove(objects, copies)
        made = await _copied(objects, caller.user_id, job_id, answer)
        if made is None:
            break
        copies = made
    await _remove(objects, copies)
    return await admit(store, caller, wanted, queue_rule, rate_rule)


async def _copied(objects: Objects, user_id: str, job_id: str, wanted: CopiesWanted) -> Copies | None:
    """Copies of the artifacts below the new job's own prefix; None when they cannot be had."""
    prefix = attempt_prefix(user_id, job_id, wanted.now_ms, _NEVER_RUN)
    made = Copies(wanted.job_id, placed_below(prefix, wanted.artifacts))
    if not await copy_each(objects, wanted.artifacts, made.artifacts):
        await _remove(objects, made)
        return None
    return made


async def _remove(objects: Objects, copies: Copies) -> None:
    for each in copies.artifacts:
        try:
            await objects.remove(each.object_name)
        except Unavailable:
            return
