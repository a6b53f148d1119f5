"""What a request reads whole from the object store, as a segment of the archive: held for its caller.

The store's client has no idea of requests: it tells a size before it reads (`Objects.weigh`), and which request that is
for is known from the context that its task runs in.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.types import Scope

from apps.api.server.budget import Budget, Hold, whose

__all__ = ["Files"]

_HELD: Final = "arqade.files"
_OVER: Final = "arqade.over"
#: What is read is taken apart, and lies in memory twice meanwhile.
_TIMES: Final = 2


class Files:
    """The files of all requests of a process."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._reader: ContextVar[Scope | None] = ContextVar("reader", default=None)

    def begin(self, scope: Scope) -> None:
        """What this task reads from now on is read for this request."""
        self._reader.set(scope)

    def end(self, scope: Scope) -> None:
        """The request is over; what a task of its goes on to read is nobody's."""
        scope[_OVER] = True
        self.let_go(scope)

    def let_go(self, scope: Scope) -> None:
        """The request needs what it has read no longer."""
        if (hold := scope.get(_HELD)) is not None:
            hold.release()

    def weigh(self, size: int) -> None:
        """A file of that size is about to be read, in place of the one before; refuses as the budget does.

        One that is larger than a share may be read by whoever holds nothing else, and counts as half of everything at
        most: or nobody could ever see it.
        """
        scope = self._reader.get()
        if scope is None or _OVER in scope:
            return
        self.let_go(scope)
        hold: Hold = scope.setdefault(_HELD, self._budget.hold(whose(scope), "file"))
        hold.grow(min(_TIMES * size, self._budget.bytes_max // 2), alone=True)
