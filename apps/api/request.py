"""A request as the routes see it."""

from __future__ import annotations

from collections.abc import Sequence

import starlette.requests
from starlette.types import Receive

from apps.api.orders.trace import read_traceparent
from apps.api.server.budget import Hold, What, whose
from apps.api.state import ApiState
from apps.resources import Resources
from libs.access.caller import Caller
from libs.admission.rate import Rate
from libs.audit.act import Actor
from libs.store.client import Store

__all__ = ["Request"]


class Request(starlette.requests.Request):
    """Starlette's request, and what the middleware found out about it."""

    @property
    def api(self) -> ApiState:
        """What the process shares."""
        found: ApiState = self.scope["arqade.api"]
        return found

    @property
    def resources(self) -> Resources:
        """The open resources."""
        return self.api.resources

    @property
    def id(self) -> str:
        """The request's id, as in `X-Request-Id`."""
        found: str = self.scope["arqade.request_id"]
        return found

    @property
    def caller(self) -> Caller:
        """Who asks. Every route but a public one has a caller; asking on a public one is a bug."""
        found: Caller = self.scope["arqade.caller"]
        return found

    @property
    def actor(self) -> Actor:
        """The caller as the audit log names them."""
        return Actor(self.caller.user_id, self.caller.api_key_id, self.id)

    @property
    def traceparent(self) -> str | None:
        """The caller's place in a trace, if it told one."""
        return read_traceparent(self.headers.getlist("traceparent"))

    @property
    def home(self) -> Store:
        """Where everything of the caller's is."""
        return self.resources.cells.home_of(self.caller.user_id)

    def hold(self, what: What, count: int = 0) -> Hold:
        """A block in which so many bytes of the caller's are held, and counted for them: see `Budget`.

        Refuses `rate_limited` when they have too many under way, and `overloaded` when everybody together has.
        """
        hold = self.api.budget.hold(whose(self.scope), what)
        hold.grow(count)
        return hold

    def let_go(self) -> None:
        """Count body and files no more: what is waited for now needs them no longer."""
        if (body := self.scope.get("arqade.body")) is not None:
            body.release()
        self.api.files.let_go(self.scope)

    def read_by(self, receive: Receive) -> Receive:
        """Let the body come through this from now on; what it came through before."""
        before, self._receive = self._receive, receive
        return before

    def show(self, rates: Sequence[Rate]) -> None:
        """Tell these rates in the headers of the answer, whatever it will be; `()` tells none."""
        self.scope["arqade.rates"] = rates
