"""The prediction APIs of a deployment, and what a worker does for those that wait there."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Final

import orjson

from apps.resources import Resources
from libs.backends.configured import ConfiguredBackend
from libs.backends.prediction import Cog, Maker, Notes, Poller, Predictions, Provider, Server, catalogue_of
from libs.backends.prediction.callback import callback_token
from libs.errors import Unavailable
from libs.jobs.gate import open_gate, shut_gate
from libs.jobs.lifecycle import wake
from libs.kinds import KINDS

__all__ = ["open_predictions", "prediction_tasks"]

log = logging.getLogger(__name__)

_KIND: Final = KINDS["optimize"]
#: How long a handler may hold its slot for a container's answer: its kind's own limit, less what comes after.
_HELD_S_MAX: Final = _KIND.timeout_s - 60
#: How much of the limit may wait in its row: who is next is decided so long before.
_ROW_S: Final = 2.0
_PLACES_MIN: Final = 4
#: How often a provider's list is read in a minute: where it calls back, only for the calls that were lost.
_POLLS, _POLLS_BESIDES = 30, 4
_POLLED_S_MIN: Final = 0.25
_PUBLISHED_EVERY_S, _KEPT_S, _AGAIN_S = 30.0, 86_400, 2.0


def open_predictions(resources: Resources) -> Predictions:
    """Connects to nothing yet; to be closed."""
    return Predictions([_maker(resources, backend) for backend in _configured(resources)])


def prediction_tasks(resources: Resources, predictions: Predictions, worker: str) -> list[asyncio.Task[None]]:
    """What goes on while this worker lives: its turns at reading lists, and saying what there is."""
    if not _configured(resources):
        return []
    calls_back = _callback(resources) is not None
    tasks = [asyncio.create_task(_keep_published(resources), name="gate")]
    for maker in predictions.makers:
        if isinstance(maker, Provider):
            window_s = maker.server.creations.rule.window_s
            poller = Poller(
                maker.server,
                maker.notes,
                partial(wake, resources.store),
                worker=worker,
                every_s=_polled_every_s(window_s, calls_back=calls_back),
                max_wait_s=maker.max_wait_s,
            )
            tasks.append(asyncio.create_task(poller.keep_polling(), name=f"poll {maker.name}"))
    return tasks


def _polled_every_s(window_s: float, *, calls_back: bool) -> float:
    """So often in a window, whatever the provider takes for a minute."""
    return max(_POLLED_S_MIN, window_s / (_POLLS_BESIDES if calls_back else _POLLS))


def _configured(resources: Resources) -> list[ConfiguredBackend]:
    return [each for each in resources.backends.values() if each.protocol == "prediction" and each.is_configured]


def _maker(resources: Resources, backend: ConfiguredBackend) -> Maker:
    return _cog(resources, backend) if backend.dialect == "cog" else _provider(resources, backend)


def _cog(resources: Resources, backend: ConfiguredBackend) -> Cog:
    shared = resources.cells.shared
    return Cog(
        backend.name,
        backend.url,
        breaker=backend.breaker(shared),
        creations=backend.limiter(shared, "create"),
        terms=backend.terms,
        max_wait_s=min(backend.timeout_s, _HELD_S_MAX),
        token=backend.secret,
    )


def _provider(resources: Resources, backend: ConfiguredBackend) -> Provider:
    shared, errors = resources.cells.shared, resources.metrics.backend_errors
    server = Server(
        backend.name,
        backend.url,
        backend.secret,
        breaker=backend.breaker(shared),
        creations=backend.limiter(shared, "create"),
        reads=backend.limiter(shared, "read"),
        on_error=lambda code: errors.labels(backend.name, code).inc(),
    )
    return Provider(
        server,
        Notes(resources.store, backend.name),
        backend.terms,
        max_wait_s=backend.timeout_s,
        callback=_callback(resources),
        shut=partial(shut_gate, resources.store, _KIND.name),
    )


def _callback(resources: Resources) -> Callable[[str, int], str] | None:
    """Makes the addresses that providers call back; None where they cannot, or where anybody could make one."""
    url, secret = resources.settings.public_url, resources.settings.api_key_pepper.get_secret_value().encode()
    if url is None or not secret:
        return None
    return lambda job_id, number: f"{url.rstrip('/')}/callbacks/{callback_token(secret, job_id, number)}"


async def _keep_published(resources: Resources) -> None:
    """Say how many jobs the providers take, and which models they run; again and again, for Redis may forget."""
    backends = _configured(resources)
    places = sum(_places(backend) for backend in backends)
    in_flight_max = sum(backend.in_flight_max for backend in backends)
    catalogue = orjson.dumps(catalogue_of([backend.terms for backend in backends]))
    shared = resources.cells.shared
    while True:
        pause_s = _PUBLISHED_EVERY_S
        try:
            await open_gate(resources.store, _KIND.name, places=places, in_flight_max=in_flight_max)
            await shared.call("SET", shared.keys.catalogue + (_KIND.backend or ""), catalogue, "EX", _KEPT_S)
        except Unavailable as error:
            log.debug("the gate of %s: %s", _KIND.name, error)
            pause_s = _AGAIN_S
        await asyncio.sleep(pause_s)


def _places(backend: ConfiguredBackend) -> int:
    """As many jobs as the limiter starts within the time that its row may be long."""
    if backend.dialect == "cog":
        return backend.in_flight_max  # each is held by its worker until it is done
    rule = backend.limits["create"]
    return max(_PLACES_MIN, math.ceil(rule.per_minute / rule.window_s * _ROW_S))
