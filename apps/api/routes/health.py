"""Whether the process lives, whether it can work, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from apps.api.answers.house import Health, Ping, Ready
from apps.api.health.checks import Finding
from apps.api.health.measure import measure_machine, measure_queues, measure_redis
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routes.backends import measure_backends
from apps.api.routing import PUBLIC, Answer, Endpoint, Route, route
from libs.errors import Refusal, StoreFull, Unavailable
from libs.metrics import CONTENT_TYPE

__all__ = ["METRICS_ROUTES", "ROUTES"]


async def ping(request: Request) -> Response:
    """The process lives. Asks nobody, so that an outage of Redis restarts nothing."""
    return Json({"ok": True})


async def health(request: Request) -> Response:
    """200 `healthy` or `degraded`, with a word for each part and its age; 503 only while draining.

    `full` and `read_only` are those of a store that answers and could not work: see `arqade doctor`.
    """
    parts = await _look(request)
    checks = {part: finding.state for part, finding in parts.items()}
    if request.api.draining.is_set():
        raise Refusal("draining", members={"checks": checks})
    status = "healthy" if set(checks.values()) == {"up"} else "degraded"
    ages = {part: round(request.api.checks.age_s(finding), 1) for part, finding in parts.items()}
    version = request.api.settings.api_version
    return Json({"status": status, "version": version, "checks": checks, "checked_seconds_ago": ages})


async def ready(request: Request) -> Response:
    """200 while every part could do its work and the process is not draining."""
    if request.api.draining.is_set():
        raise Refusal("draining")
    for part, finding in (await _look(request)).items():
        if finding.state == "full":
            raise StoreFull
        if finding.state != "up":
            raise Unavailable(part)
    return Json({"ready": True})


async def metrics(request: Request) -> Response:
    """The metrics, unless a setting closes them on the main port."""
    if not request.api.settings.metrics_public:
        raise Refusal("not_found")
    return await render_metrics(request)


async def render_metrics(request: Request) -> Response:
    """Prometheus's text format."""
    await measure_queues(request)
    await measure_redis(request)
    await measure_backends(request)
    measure_machine(request)
    return Response(request.resources.metrics.render(), media_type=CONTENT_TYPE)


async def _look(request: Request) -> dict[str, Finding]:
    found = await request.api.checks.look()
    if found["redis"].state == "away":
        request.show(())  # nobody to ask for the caller's rates
    return found


def _public(path: str, endpoint: Endpoint, told: Answer, *aliases: str, refuses: Sequence[str] = ()) -> Route:
    return route(
        "GET", path, endpoint, scope=PUBLIC, bucket=None, aliases=aliases, answers={200: told}, refuses=refuses
    )


ROUTES = [
    _public("/ping", ping, Ping),
    _public("/health", health, Health, "/api/health", refuses=["draining"]),
    _public("/ready", ready, Ready, refuses=["draining", "store_full", "dependency_unavailable"]),
    _public("/metrics", metrics, "text/plain", refuses=["not_found"]),
]

#: What the port of `PROMETHEUS_PORT` answers.
METRICS_ROUTES = [_public("/ping", ping, Ping), _public("/metrics", render_metrics, "text/plain")]
