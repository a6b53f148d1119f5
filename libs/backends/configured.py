"""What a deployment says of a backend that is reached over a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.backends import breaker, limiter
from libs.backends.prediction.terms import Terms
from libs.store.client import Store

__all__ = ["ConfiguredBackend", "ConfiguredServer"]


@dataclass(frozen=True, slots=True)
class ConfiguredServer:
    """One server of a fleet. `name` is what job records and Redis keys call it: one that is kept finds its prompts."""

    name: str
    url: str
    slots: int = 1


@dataclass(frozen=True, slots=True)
class ConfiguredBackend:
    """A backend, by the name that its keys in Redis and its errors have.

    `limits` holds a rule for each kind of request that its provider counts apart. Whoever needs its breaker or one of
    its limiters gets it here, so that all processes share one under one rule. What a protocol has no use for is empty:
    a fleet has `servers`, the others have a `url`; `dialect` is how a vision provider or a prediction API is spoken to.
    `in_flight_max` and `terms` are those of a prediction API: what waits there at once, and which models it runs.
    """

    name: str
    protocol: str
    is_configured: bool
    breaker_rule: breaker.Rule = field(default_factory=breaker.Rule)
    limits: Mapping[str, limiter.Rule] = field(default_factory=dict)
    servers: tuple[ConfiguredServer, ...] = ()
    url: str = ""
    secret: str = field(default="", repr=False)
    model: str = ""
    dialect: str = ""
    timeout_s: float = 300.0
    in_flight_max: int = 2_000
    terms: Terms = field(default_factory=Terms)

    def breaker(self, store: Store) -> breaker.Breaker:
        """Its breaker, with a shadow of its own: keep it."""
        return breaker.Breaker(store, self.name, self.breaker_rule)

    def limiter(self, store: Store, bucket: str) -> limiter.Limiter:
        """One of its limiters; raises KeyError for a bucket it does not have."""
        return limiter.Limiter(store, f"{self.name}:{bucket}", self.limits[bucket])
