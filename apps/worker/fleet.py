"""The fleet of a deployment, as its worker opens it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from apps.resources import Resources
from apps.worker.probing import Prober
from libs.backends.breaker import Breaker
from libs.backends.comfyui import ComfyUI, Patience
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.fleet.fleet import Fleet
from libs.backends.fleet.health import Health

__all__ = ["open_fleet", "probers"]


#: How long a server that is away is left alone between probes.
_OPEN_S: Final = 1.0
_OPEN_S_MAX: Final = 2.0


def open_fleet(resources: Resources, queues: Sequence[str]) -> Fleet:
    """A client for each server, whose health all workers share; connects to nothing yet. To be closed."""
    configured = fleet_of(resources)
    servers = [
        ComfyUI(
            server.url,
            configured.timeout_s,
            name=server.name,
            patience=Patience(interrupted_again=resources.settings.comfyui_retry_interrupted),
            health=_health(resources, server, queues),
        )
        for server in configured.servers
    ]
    return Fleet(servers, {server.name: server.slots for server in configured.servers})


def probers(resources: Resources, fleet: Fleet, worker: str, queues: Sequence[str]) -> list[Prober]:
    """One for each server."""
    configured = fleet_of(resources)
    return [
        Prober(
            resources.cells.shared,
            configured,
            fleet.servers[server.name],
            _health(resources, server, queues),
            worker,
            queues,
        )
        for server in configured.servers
    ]


def fleet_of(resources: Resources) -> ConfiguredBackend:
    """What the deployment says of it."""
    return next(backend for backend in resources.backends.values() if backend.protocol == "comfyui")


def _health(resources: Resources, server: ConfiguredServer, queues: Sequence[str]) -> Health:
    store, errors = resources.cells.shared, resources.metrics.backend_errors
    # Ours to probe as often as we like: one that has come back is not to stand idle.
    rule = replace(fleet_of(resources).breaker_rule, open_s=_OPEN_S, open_s_max=_OPEN_S_MAX)
    breaker = Breaker(store, server.name, rule, part="comfyui")
    return Health(store, server, breaker, queues, on_fault=lambda name, why: errors.labels(name, why).inc())
