"""What a connection itself makes us hold: of a body what nobody has read yet, of an answer what nobody has taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from apps.api.server.budget import NOBODY, Budget, Hold, whose
from libs.errors import Refusal

__all__ = ["Scales"]

_log = logging.getLogger(__name__)


class Scales:
    """One connection's part of the budget. Costs nothing until something is large enough to wait for the other side."""

    def __init__(
        self, budget: Budget, transport: asyncio.Transport, peer: tuple[str, int] | None, *, spared: bool
    ) -> None:
        """A `spared` peer is a proxy that is trusted: until it has said for whom, what it sends is nobody's."""
        self._budget = budget
        self._transport = transport
        self._peer = peer
        self._spared = spared
        self._unread: Hold | None = None
        self._untaken: Hold | None = None

    def weigh_unread(self, scope: Mapping[str, Any], size: int) -> None:
        """So much lies here until the application reads on; refuses as the budget does."""
        self.read()
        self._unread = self._budget.hold(self._owner(scope), "body")
        self._unread.grow(size)

    def read(self) -> None:
        """The application has taken it, and counts it from now on."""
        if self._unread is not None:
            self._unread.release()

    def weigh_untaken(self, scope: Mapping[str, Any]) -> None:
        """The reader of an answer lags; who lets more than their share lie is cut off."""
        self.taken()
        self._untaken = self._budget.hold(self._owner(scope), "answer")
        size = self._transport.get_write_buffer_size()
        try:
            self._untaken.grow(size)
        except Refusal as refusal:
            if refusal.code == "rate_limited":
                _log.info("cut a connection whose reader leaves more lying than one may have under way")
                self._transport.abort()
            else:
                self._untaken.note(size)  # it is there already: others have to wait for it

    def taken(self) -> None:
        """The reader has caught up."""
        if self._untaken is not None:
            self._untaken.release()

    def clear(self) -> None:
        """The connection is gone."""
        self.read()
        self.taken()

    def _owner(self, scope: Mapping[str, Any]) -> str:
        known = scope.get("arqade.caller") is not None or scope.get("client") != self._peer
        return NOBODY if self._spared and not known else whose(scope)
