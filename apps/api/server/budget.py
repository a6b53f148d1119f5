"""Bytes that callers make this process hold: counted by whose they are, and bounded in sum.

Every other ceiling is one request's; many requests at the ceiling are what runs out of memory. So whoever holds
something of a caller's that may be large counts it here for as long as it is held::

    with request.hold("upload", upload.size_bytes):  # Refusal when there is no room
        text = await objects.get(...)

or, where the size shows bit by bit::

    with request.hold("upload") as hold:
        async for piece in pieces:
            hold.grow(len(piece))  # Refusal

Count what it costs, not what it is called: bytes that are joined lie in memory twice meanwhile, a parsed tree takes
many times its text. A hold may be released early and twice; leaving the block releases it in every case. The body of a
request is counted by itself (`middleware/body_limit.py`), until the request is over or lets go of it
(`Request.let_go`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, Self, get_args

from libs import limits
from libs.access.networks import sender_of
from libs.errors import Refusal
from libs.metrics import Metrics

__all__ = ["NOBODY", "Budget", "Hold", "What", "whose"]

#: A request's body, an upload that is looked into, a file that is read whole, what a reader has not taken yet.
What = Literal["body", "upload", "file", "answer"]

#: Holds of nobody in particular count towards the process alone.
NOBODY: Final = ""

_AGAIN_S = 5.0


def whose(scope: Mapping[str, Any]) -> str:
    """Who a request's bytes are counted for: its user, or the address of a sender that we do not know (yet)."""
    caller = scope.get("arqade.caller")
    if caller is not None:
        return str(caller.user_id)
    client: tuple[str, int] | None = scope.get("client")
    return sender_of(client[0] if client else None)


class Budget:
    """The bytes of one process, of which one user or unknown address gets a quarter."""

    def __init__(self, bytes_max: int, metrics: Metrics | None = None) -> None:
        """`metrics` tell what is held and what was refused."""
        self.bytes_max = bytes_max
        self.share_bytes = bytes_max // limits.BYTES_IN_FLIGHT_SHARES
        self._metrics = metrics
        self._all = 0
        self._of: Counter[str] = Counter()
        self._for: Counter[str] = Counter()
        if metrics is not None:
            metrics.bytes_in_flight_max.set(bytes_max)
            for what in get_args(What):
                metrics.bytes_in_flight.labels(what).set_function(partial(self._for.__getitem__, what))

    @property
    def held_bytes(self) -> int:
        """How much is held for everybody together."""
        return self._all

    def held_by(self, owner: str) -> int:
        """How much is held for one user or address."""
        return self._of[owner]

    def hold(self, owner: str, what: What) -> Hold:
        """A hold of nothing yet, for that owner (see `whose`)."""
        return Hold(self, owner, what)

    def check(self, owner: str, what: What, count: int, *, alone: bool = False) -> None:
        """Refuse when there is no room for so many bytes more: `rate_limited` by one's own, `overloaded` by all's.

        `alone`: whoever holds nothing else may have more than a share.
        """
        held = self._of[owner]
        if owner != NOBODY and held + count > self.share_bytes and not (alone and held == 0):
            self._count_refusal(what, "own")
            detail = f"You may have {self.share_bytes} bytes under way here at once; wait for your other requests"
            members = {"violated-policies": ["bytes"]}
            raise Refusal("rate_limited", detail, retry_after_s=_AGAIN_S, members=members)
        if self._all + count > self.bytes_max:
            self._count_refusal(what, "process")
            raise Refusal("overloaded")

    def move(self, owner: str, what: What, count: int) -> None:
        """Count so many bytes more, or fewer."""
        self._all += count
        self._for[what] += count
        if owner != NOBODY:
            self._of[owner] += count
            if self._of[owner] <= 0:
                del self._of[owner]

    def _count_refusal(self, what: What, ceiling: str) -> None:
        if self._metrics is not None:
            self._metrics.bytes_refused.labels(what, ceiling).inc()


class Hold:
    """Some bytes of one owner's, counted until they are released."""

    __slots__ = ("_budget", "_what", "bytes", "owner")

    def __init__(self, budget: Budget, owner: str, what: What) -> None:
        self._budget = budget
        self._what = what
        self.owner = owner
        self.bytes = 0

    def grow(self, count: int, *, alone: bool = False) -> None:
        """Count so many bytes more; refuses `rate_limited` and `overloaded`, and has not grown then.

        `alone`: it may pass the owner's share if they hold nothing else.
        """
        self._budget.check(self.owner, self._what, count, alone=alone)
        self.note(count)

    def note(self, count: int) -> None:
        """Count bytes that are there already and are few, or cannot be refused any more."""
        self._budget.move(self.owner, self._what, count)
        self.bytes += count

    def release(self) -> None:
        """Count them no more. May be called twice, and the hold may grow again."""
        if self.bytes:
            self.note(-self.bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
