"""The backends of this deployment, and how much of their providers' limits is used. Nothing here calls a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from apps.api.answers.house import Backends, Limiter, Limiters
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from libs.backends.breaker import Breaker, State
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.fleet.health import SERVER_STATES, ServerState, look_at
from libs.backends.limiter import Rule, Use
from libs.errors import Refusal, Unavailable
from libs.jobs.view import stamp
from libs.metrics import Metrics
from libs.store.client import Store

__all__ = ["ROUTES", "limiter_view", "measure_backends"]

#: Requests that wait for a slot: from here on the row is long, and from there too long.
_QUEUE_WARNING: Final = 500
_QUEUE_CRITICAL: Final = 1_000
#: In the order of the numbers that the metric has for them.
_BREAKER_STATES: Final[tuple[State, ...]] = ("closed", "half_open", "open")


async def list_backends(request: Request) -> Response:
    """Every backend, its breaker and its servers."""
    backends = request.resources.backends.values()
    return Json({"data": await asyncio.gather(*[_view(request, backend) for backend in backends])})


async def fetch_limiter(request: Request) -> Response:
    """A backend's outbound limits: the first one at the top, and each by its name."""
    backend = request.resources.backends.get(request.path_params["backend"])
    if backend is None or not backend.limits:
        raise Refusal("not_found", "There is no backend of this name with an outbound limit")
    views = await asyncio.gather(*[_limiter_view(request, backend, bucket) for bucket in backend.limits])
    return Json({"backend": backend.name, **views[0], "limiters": dict(zip(backend.limits, views, strict=True))})


async def fetch_replicate_stats(request: Request) -> Response:
    """What the former image optimiser answered at this address: the limit of creations."""
    backends = request.resources.backends.values()
    first = next(backend for backend in backends if backend.protocol == "prediction")
    return Json(await _limiter_view(request, first, "create"))


def limiter_view(rule: Rule, use: Use) -> dict[str, Any]:
    """A limiter in the words of the former image optimiser."""
    return {
        "status": _status(use),
        "rateLimiter": {
            "queueLength": use.queued,
            "requestsInLastMinute": use.requests,
            "maxRPM": rule.per_minute,
            "rpmUsagePercent": round(use.requests / rule.per_minute * 100, 1),
        },
        "health": {"queueHealthy": use.queued < _QUEUE_WARNING, "rpmHealthy": _is_unrefused(use)},
    }


def _status(use: Use) -> str:
    if use.queued >= _QUEUE_CRITICAL or use.paused_s > 0:
        return "critical"
    return "healthy" if use.queued < _QUEUE_WARNING and _is_unrefused(use) else "warning"


def _is_unrefused(use: Use) -> bool:
    """Using all of a limit is what the limiter is for; being refused by the provider is not."""
    return use.share == 1 and use.paused_s == 0


async def measure_backends(request: Request) -> None:
    """Set the gauges of every configured backend; without Redis they are dropped rather than old."""
    metrics, store = request.resources.metrics, request.resources.cells.shared
    gauges = (
        metrics.breakers,
        metrics.limiter_requests,
        metrics.limiter_queued,
        metrics.fleet_servers,
        metrics.fleet_slots,
    )
    backends = [backend for backend in request.resources.backends.values() if backend.is_configured]
    limiters = [backend.limiter(store, bucket) for backend in backends for bucket in backend.limits]
    try:
        states = await asyncio.gather(*[_breaker_state(store, backend) for backend in backends])
        await _measure_fleet(metrics, store, backends)
        uses = await asyncio.gather(*[limiter.use() for limiter in limiters])
    except Unavailable:
        for gauge in gauges:
            gauge.clear()
        return
    for backend, state in zip(backends, states, strict=True):
        metrics.breakers.labels(backend.name).set(_BREAKER_STATES.index(state))
    for limiter, use in zip(limiters, uses, strict=True):
        metrics.limiter_requests.labels(limiter.name, "used").set(use.requests)
        metrics.limiter_requests.labels(limiter.name, "allowed").set(limiter.rule.per_minute)
        metrics.limiter_queued.labels(limiter.name).set(use.queued)


async def _measure_fleet(metrics: Metrics, store: Store, backends: Sequence[ConfiguredBackend]) -> None:
    for server in (server for backend in backends for server in backend.servers):
        found = await look_at(store, server.name)
        for state in SERVER_STATES:
            metrics.fleet_servers.labels(server.name, state).set(found.state == state)
        metrics.fleet_slots.labels(server.name, "busy").set(found.busy)
        metrics.fleet_slots.labels(server.name, "all").set(server.slots)


async def _limiter_view(request: Request, backend: ConfiguredBackend, bucket: str) -> dict[str, Any]:
    limiter = backend.limiter(request.resources.cells.shared, bucket)
    return limiter_view(limiter.rule, await limiter.use())


async def _view(request: Request, backend: ConfiguredBackend) -> dict[str, Any]:
    store = request.resources.cells.shared
    servers = await asyncio.gather(*[look_at(store, server.name) for server in backend.servers])
    return {
        "name": backend.name,
        "protocol": backend.protocol,
        "configured": backend.is_configured,
        "breaker": await _breaker_state(store, backend),
        "limiters": list(backend.limits),
        "servers": [server_view(one, found) for one, found in zip(backend.servers, servers, strict=True)],
    }


async def _breaker_state(store: Store, backend: ConfiguredBackend) -> State:
    """A fleet is spoken to as long as one of its servers is."""
    names = [server.name for server in backend.servers] or [backend.name]
    shadows = await asyncio.gather(*[Breaker(store, name).look() for name in names])
    return min((shadow.state for shadow in shadows), key=_BREAKER_STATES.index)


def server_view(server: ConfiguredServer, found: ServerState) -> dict[str, Any]:
    """A server of the fleet, without its address."""
    return {
        "name": server.name,
        "state": found.state,
        "since": stamp(found.since_ms),
        "why": found.why or None,
        "slots": server.slots,
        "busy": found.busy,
        "offers": found.offered,
        "seen_at": stamp(found.seen_at_ms),
        "version": found.version,
        "problems": list(found.problems),
    }


ROUTES = [
    route("GET", "/api/v1/backends", list_backends, scope="backends:read", bucket="reads", answers={200: Backends}),
    route("GET", "/admin/backends", list_backends, scope="admin", bucket="reads", answers={200: Backends}),
    route(
        "GET",
        "/api/v1/backends/{backend}/limiter",
        fetch_limiter,
        scope="backends:read",
        bucket="reads",
        answers={200: Limiters},
    ),
    route(
        "GET",
        "/api/replicate-rate-limiter/stats",
        fetch_replicate_stats,
        scope="backends:read",
        bucket="reads",
        answers={200: Limiter},
    ),
]
