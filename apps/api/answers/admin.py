"""What the routes for admins answer, as models; see `answer`."""

from __future__ import annotations

from typing import Any, Literal

from apps.api.answers.answer import Answer, Count, Day, Month, Rates, Time
from libs.access.plan_numbers import AllNumbers
from libs.jobs.status import Status

__all__ = [
    "Act",
    "ApiKey",
    "DeadJob",
    "Erased",
    "Erasing",
    "Minted",
    "Plan",
    "Queue",
    "Queues",
    "RunningJob",
    "StaysAnswer",
    "User",
    "UserUsage",
    "Worker",
]


class UserUsage(Answer):
    """What one user used."""

    user_id: str
    email: str
    role: str
    units_used: int
    usage: list[Day] | list[Month]


class User(Answer):
    """A user; `role` is the name of their plan."""

    id: str
    email: str
    role: str
    status: str
    overrides: dict[str, bool | int | None]
    created_at: Time


class StaysAnswer(Answer):
    """Something that erasing does not reach, and until when."""

    what: str
    detail: str
    until: str


class Erased(Answer):
    """A user of whom everything is gone but what stays."""

    id: str
    status: Literal["erased"]
    stays: list[StaysAnswer]


class Erasing(User):
    """A user who is being erased, and what will stay."""

    stays: list[StaysAnswer]


class ApiKey(Answer):
    """An api key without its secret."""

    id: str
    user_id: str
    name: str
    scopes: list[str]
    hint: str
    created_at: Time
    expires_at: Time
    revoked_at: Time | None
    last_used_at: Time | None
    limits: Rates
    addresses: list[str]
    replaces: str | None
    replaced_by: str | None
    pepper: int | str


class Minted(ApiKey):
    """A new api key with its secret, which is shown this once."""

    api_key: str


class Plan(AllNumbers):
    """A plan; null is unlimited."""

    name: str


class RunningJob(Answer):
    """A job as one who runs the house sees it."""

    id: str
    user_id: str
    api_key_id: str
    kind: str
    queue: str
    status: Status
    priority: int
    units: int
    attempt: int
    failures: int
    crashes: int
    releases: int
    run_seconds: float
    error: dict[str, Any] | None
    retry_of: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    cancel_requested_at: Time | None
    deadline_at: Time


class DeadJob(RunningJob):
    """A job that was given up because every worker that ran it was lost."""

    died_at: Time


class Queue(Answer):
    """A queue: its unfinished jobs by band, and whether it takes and gives any."""

    name: str
    ready: Count
    timed: Count
    held: Count
    paused: bool
    draining: bool
    finished_per_second: float


class Queues(Answer):
    """Every queue."""

    data: list[Queue]


class Worker(Answer):
    """A worker process."""

    id: str
    host: str
    pid: int
    queues: list[str]
    slots: int
    running: int
    accepting: bool
    seen_at: Time


class ActorOfAct(Answer):
    """Who did it."""

    user_id: str
    api_key_id: str | None
    request_id: str | None


class Act(Answer):
    """An entry of the audit log."""

    number: int
    at: Time
    actor: ActorOfAct
    act: str
    on: str
    before: Any
    after: Any
    hash: str
