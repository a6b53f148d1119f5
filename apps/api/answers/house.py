"""What the routes about the house itself answer, as models: kinds, backends, health; see `answer`."""

from __future__ import annotations

from typing import Any, Literal

from apps.api.answers.answer import Answer, Count

__all__ = [
    "AppStatus",
    "Backend",
    "Backends",
    "Health",
    "KindOnOffer",
    "Kinds",
    "Limiter",
    "Limiters",
    "Ping",
    "Ready",
]


class KindOnOffer(Answer):
    """A kind of job: what it takes, what it costs, and what its backend lists now."""

    name: str
    summary: str
    queue: str
    cost: str
    timeout_seconds: float
    input_schema: dict[str, Any]
    offers: Any


class Kinds(Answer):
    """Every kind of job."""

    data: list[KindOnOffer]


class FleetServer(Answer):
    """A server of the fleet: `away` is left alone after failures, `sick` is out of the fleet until it has recovered.

    `problems` say what of it cannot be used: node classes that cannot be read, or all that it offers.
    """

    name: str
    state: Literal["well", "away", "sick"]
    since: str | None
    why: str | None
    slots: Count
    busy: Count
    offers: Count
    seen_at: str | None
    version: dict[str, str]
    problems: list[str]


class Backend(Answer):
    """A backend and its circuit breaker; a fleet and its servers, whose breakers are closed while one is."""

    name: str
    protocol: str
    configured: bool
    breaker: Literal["closed", "half_open", "open"]
    limiters: list[str]
    servers: list[FleetServer]


class Backends(Answer):
    """Every backend."""

    data: list[Backend]


class RateLimiter(Answer):
    """How much of a provider's limit is used."""

    queueLength: Count  # noqa: N815  # the former service's word
    requestsInLastMinute: Count  # noqa: N815  # the same
    maxRPM: float  # noqa: N815  # the same
    rpmUsagePercent: float  # noqa: N815  # the same


class LimiterHealth(Answer):
    """Whether a limiter keeps up."""

    queueHealthy: bool  # noqa: N815  # the former service's word
    rpmHealthy: bool  # noqa: N815  # the same


class Limiter(Answer):
    """An outbound limit."""

    status: Literal["healthy", "warning", "critical"]
    rateLimiter: RateLimiter  # noqa: N815  # the former service's word
    health: LimiterHealth


class Limiters(Limiter):
    """A backend's outbound limits: the first one at the top, and each by its name."""

    backend: str
    limiters: dict[str, Limiter]


class Ping(Answer):
    """The process lives."""

    ok: Literal[True]


class Health(Answer):
    """Whether every part could do its work, and how long ago that was found out."""

    status: Literal["healthy", "degraded"]
    version: str
    checks: dict[str, Literal["up", "full", "read_only", "away"]]
    checked_seconds_ago: dict[str, float]


class Ready(Answer):
    """Every part answers."""

    ready: Literal[True]


class QueueAtAGlance(Answer):
    """Jobs that wait, in all queues together; the ceiling is each queue's, and counts what is `unfinished`."""

    waiting_in_queue: Count
    running: Count
    max_queue_size: Count
    unfinished: dict[str, Count]


class WorkersAtAGlance(Answer):
    """Worker processes that were heard of within a minute, and their slots."""

    count: Count
    accepting: Count
    slots: Count
    busy: Count


class Gpu(Answer):
    """A device of an inference backend, as the backend last told."""

    backend: str
    name: str
    memory_bytes: Count
    memory_free_bytes: Count


class System(Answer):
    """The machine of the API process that answers; null where it does not tell."""

    cpu_percent: float | None
    memory_percent: float | None
    memory_bytes: Count | None
    memory_used_bytes: Count | None
    gpus: list[Gpu]


class AppStatus(Answer):
    """The whole at a glance."""

    status: Literal["running", "draining"]
    queue: QueueAtAGlance
    workers: WorkersAtAGlance
    system: System
