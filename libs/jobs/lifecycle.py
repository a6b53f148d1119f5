"""What moves a job after its admission: claim, reports, the ending, cancel. Each is one script and one round trip.

Every write of an attempt shows its fence; when the fence is no longer the current one the write is refused, and
`FencedError` tells the worker that the job is no longer its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import orjson

from libs.artifacts.artifact import Artifact
from libs.jobs.scripts import CANCEL, CLAIM, FINISH, RENEW, REPORT, SWEEP, WAKE
from libs.store.client import Store

__all__ = [
    "CLAIM_MAX",
    "CancelOutcome",
    "Claim",
    "Claims",
    "Ending",
    "FencedError",
    "Held",
    "Payment",
    "cancel",
    "claim",
    "finish",
    "renew",
    "report",
    "sweep",
    "wake",
]

Ending = Literal["succeed", "fail", "cancel", "retry", "release", "unstart", "wait"]
Payment = Literal["settle", "refund"]
CancelOutcome = Literal["not_found", "canceled", "requested", "finished"]

#: One claim takes at most so many jobs: a Lua reply is built on a stack of bounded size.
CLAIM_MAX = 200


class FencedError(Exception):
    """The attempt is no longer the current one: its lease was lost, and somebody else may be running the job."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job a worker has just claimed; `canceled` when its user asked for that while it waited at a provider.

    `alone`: its workers were lost twice, and while it runs this worker claims nothing else. `server` is the one of the
    fleet whose slot it holds, for a job that needs one; `out_of_memory`: an earlier attempt found too little there.
    A foreign job (ARQ's own `enqueue_job`) has no `user_id` and no `kind`; one that is `given_up` is to be buried.
    """

    job_id: str
    queue: str
    fence: str
    payload: bytes | None
    attempt: int = 1
    failures: int = 0
    user_id: str = ""
    kind: str = ""
    created_at_ms: int = 0
    deadline_at_ms: int = 0
    submission: bytes | None = None
    canceled: bool = False
    alone: bool = False
    given_up: bool = False
    server: str = ""
    out_of_memory: bool = False

    @property
    def foreign(self) -> bool:
        """Whether the job came around our admission."""
        return not self.kind


@dataclass(frozen=True, slots=True)
class Claims:
    """What one claim brought, and when the next job comes due (None: nothing is scheduled).

    `makes_room`: nothing is to be had until the worker has run dry, for a job that has to run alone.
    """

    jobs: tuple[Claim, ...]
    next_due_ms: float | None
    makes_room: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A lease to renew."""

    queue: str
    job_id: str
    fence: str


def _read_claim(reply: Sequence[Any]) -> Claim:
    job_id, queue, fence, payload = reply[0].decode(), reply[1].decode(), reply[2].decode(), reply[3]
    if len(reply) <= 6:  # noqa: PLR2004  # a foreign job: no record behind it
        return Claim(job_id, queue, fence, payload, alone=reply[4] is not None, given_up=reply[5] is not None)
    return Claim(
        job_id,
        queue,
        fence,
        payload,
        attempt=int(reply[4]),
        failures=int(reply[5] or 0),
        user_id=reply[6].decode(),
        kind=reply[7].decode(),
        created_at_ms=int(reply[8]),
        deadline_at_ms=int(reply[9]),
        submission=reply[10],
        canceled=reply[11] is not None,
        alone=reply[12] is not None,
        server=(reply[13] or b"").decode(),
        out_of_memory=reply[14] is not None,
    )


async def claim(
    store: Store,
    worker: str,
    queues: Sequence[str],
    free: int,
    lease_s: float,
    *,
    servers: Mapping[str, int] = MappingProxyType({}),
    running: Collection[str] = (),
    newcomer: bool = False,
    after_outage: bool = False,
) -> Claims:
    """Claim up to `free` ready jobs of these queues, in fair order within each, the first queue first.

    `servers` are those of the fleet that this worker reaches, with their slots: a job that needs one is claimed with a
    free slot, or left where it is. `running` are the ids of the jobs this worker runs. A `newcomer` has renewed nothing
    yet. `after_outage`: the reply to the last claim was lost, so what this worker was given and does not run is given
    to it once more.
    """
    numbers = (int(lease_s * 1000), min(free, CLAIM_MAX), len(running), int(newcomer))
    missed = ("1", " ".join(running)) if after_outage else ("0", "")
    reached = " ".join(f"{name}:{slots}" for name, slots in servers.items())
    reply = await store.run(CLAIM, (), (worker, *numbers, *missed, reached, *queues))
    next_due = float(reply[0])
    return Claims(tuple(map(_read_claim, reply[2:])), None if next_due < 0 else next_due, makes_room=bool(reply[1]))


async def renew(
    store: Store, held: Sequence[Held], lease_s: float, *, queues: Sequence[str] = (), newcomer: bool = False
) -> dict[str, str]:
    """Renew leases; the reply names the jobs that are `lost`, or whose user asked to `cancel`.

    To be called three times a lease, also with nothing held: when these `queues` hear from no worker for half a
    lease, Redis was away, and no lease that ran out counts against anybody.
    """
    words: list[str | int] = [int(lease_s * 1000), int(newcomer), " ".join(queues)]
    for one in held:
        words += (one.queue, one.job_id, one.fence)
    reply = await store.run(RENEW, (), words)
    return {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}


async def report(
    store: Store,
    job_id: str,
    fence: str,
    *,
    event: str = "",
    data: Mapping[str, Any] | None = None,
    member: str = "",
    value: Mapping[str, Any] | None = None,
) -> None:
    """Tell the job's followers something, and perhaps write one member of its record; raises FencedError."""
    words = (job_id, fence, event, orjson.dumps(data or {}), member, orjson.dumps(value) if member else b"")
    if await store.run(REPORT, (), words) == b"fenced":
        raise FencedError(job_id)


async def finish(
    store: Store,
    job_id: str,
    fence: str,
    ending: Ending,
    *,
    delay_s: float = 0.0,
    payment: Payment = "settle",
    output: Mapping[str, Any] | None = None,
    artifacts: Sequence[Artifact] = (),
    error: Mapping[str, Any] | None = None,
    avoid: str = "",
    out_of_memory: bool = False,
) -> None:
    """End an attempt, once however often it is sent; raises FencedError when it was not the current one.

    `avoid` is a server that the next attempt is not to be given while there is another; `out_of_memory` is kept for it.
    """
    words: list[str | bytes | int] = [job_id, fence, ending, int(delay_s * 1000), payment]
    if output is not None:
        words += ["output", orjson.dumps(output)]
    if artifacts:
        words += ["artifacts", orjson.dumps([artifact.as_json() for artifact in artifacts])]
        words += ["stored", sum(artifact.size_bytes for artifact in artifacts)]
    if error is not None:
        words += ["error", orjson.dumps(error)]
    if avoid:
        words += ["avoid", avoid]
    if out_of_memory:
        words += ["out_of_memory", 1]
    if await store.run(FINISH, (), words) == b"fenced":
        raise FencedError(job_id)


async def cancel(store: Store, user_id: str, job_id: str) -> CancelOutcome:
    """Cancel a user's job: `canceled` at once while it waits, `requested` while it runs."""
    outcome: bytes = await store.run(CANCEL, (), (job_id, user_id))
    return outcome.decode()  # type: ignore[return-value]


async def wake(store: Store, job_ids: Sequence[str]) -> Sequence[str]:
    """Have waiting jobs looked at now: their provider has called back. Others are left alone.

    Returns those that are over: nobody needs to call them again.
    """
    return [job_id.decode() for job_id in await store.run(WAKE, (), job_ids)] if job_ids else []


async def sweep(store: Store, queue: str, *, most: int, offset: int) -> tuple[int, int]:
    """Expire a page of jobs past their deadline; how many, and the offset to go on from (0: all was read)."""
    expired, next_offset = await store.run(SWEEP, (), (queue, most, offset))
    return expired, next_offset
