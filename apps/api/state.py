"""What the parts of one API process share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from apps.api.health.checks import Checks
from apps.api.health.machine import Machine
from apps.api.lists.seal import Seal
from apps.api.orders.offers import Offers
from apps.api.server.budget import Budget
from apps.api.server.files import Files
from apps.api.turns import Turns
from apps.api.waker import Waker
from apps.resources import Resources
from apps.settings import Settings
from libs import limits
from libs.access.caller import Caller
from libs.access.door import Door
from libs.access.failures import Failures
from libs.access.last_used import LastUsed
from libs.access.pepper import Peppers
from libs.access.streams import Streams
from libs.admission.attempts import Attempts
from libs.admission.rate import RateRule
from libs.backends.paper import PageCounter
from libs.egress import Rules
from libs.jobs.lifecycle import wake
from libs.metrics import Metrics

__all__ = ["ApiState"]


@dataclass(slots=True)
class ApiState:
    """The open resources, and where the process stands in its life.

    `draining` is set when the process is asked to stop: streams end, `/health` says so, requests under way finish.
    `budget` counts the bytes that callers make us hold. `batch_reads` bounds how many batches are read at once;
    `batch_turns` are for one batch of a user at a time, `turns` for one large body.
    """

    resources: Resources
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0
    batch_reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(limits.BATCH_READS_AT_ONCE_MAX))
    budget: Budget = field(init=False)
    files: Files = field(init=False)
    seal: Seal = field(init=False)
    offers: Offers = field(init=False)
    checks: Checks = field(init=False)
    #: An address that sends `X-Forwarded-For` and is not trusted, once there was one.
    untrusted_proxy: str | None = None
    last_used: LastUsed = field(init=False)
    door: Door = field(init=False)
    egress_rules: Rules = field(init=False)
    pages: PageCounter = field(init=False)
    machine: Machine = field(default_factory=Machine)
    streams: Streams = field(init=False)
    waker: Waker = field(init=False)
    attempts: Attempts = field(default_factory=Attempts)
    turns: Turns = field(default_factory=Turns)
    batch_turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self.budget = Budget(self.settings.bytes_in_flight_max, self.metrics)
        self.files = Files(self.budget)
        self.resources.objects.weigh = self.files.weigh
        self.seal = Seal(self.pepper)
        self.pages = PageCounter(self.resources.cage)
        servers = [server.name for backend in self.resources.backends.values() for server in backend.servers]
        self.offers = Offers(self.resources.cells.shared, servers)
        self.checks = Checks(self.resources)
        self.resources.watch.says = self.says
        self.waker = Waker(partial(wake, self.resources.store))
        self.egress_rules = self.settings.egress_rules
        self.streams = Streams(self.resources.cells.shared)
        self.last_used = LastUsed(self.resources.cells.shared)
        former = tuple(pepper.encode() for pepper in self.settings.former_peppers)
        self.door = Door(self.resources.directory, Peppers(self.pepper, former), Failures(), self.last_used)

    def says(self) -> dict[str, str | None]:
        """What the process says of itself, for `arqade doctor`."""
        return {"role": "api", "version": self.settings.api_version, "untrusted_proxy": self.untrusted_proxy}

    def endings(self, caller: Caller) -> tuple[Callable[[], Awaitable[object]], ...]:
        """What ends a stream of this caller's from our side: the process drains, or the api key is good no more."""
        return self.draining.wait, lambda: self.resources.directory.until_refused(caller.digest)

    @property
    def pepper(self) -> bytes:
        """The secret that api keys are hashed with."""
        return self.settings.api_key_pepper.get_secret_value().encode()

    @property
    def settings(self) -> Settings:
        """What the process was told."""
        return self.resources.settings

    @property
    def metrics(self) -> Metrics:
        """What the process counts."""
        return self.resources.metrics

    @property
    def rate_rule(self) -> RateRule | None:
        """How buckets are counted; None while rate limits are switched off."""
        return self.resources.rate_rule
