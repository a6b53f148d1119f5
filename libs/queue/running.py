"""A job that this worker is running: its claim, and why it is being stopped, when it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from libs.jobs.lifecycle import Claim
from libs.jobs.status import StopReason

__all__ = ["Running"]


class Running:
    """One claimed job in one task.

    The task is interrupted only while it is in `handling()`: an ending, once begun, is never cut short.
    """

    __slots__ = ("_handling", "claim", "stop_reason", "task")

    def __init__(self, claim: Claim) -> None:
        """Made by the worker at the claim."""
        self.claim = claim
        self.stop_reason: StopReason | None = None
        self.task: asyncio.Task[None] | None = None
        self._handling = False

    def stop(self, reason: StopReason) -> None:
        """Interrupt the handler; the first reason stands, but a lost lease outweighs every other."""
        if self.stop_reason is not None and reason != "lost":
            return
        self.stop_reason = reason
        if self._handling and self.task is not None:
            self._handling = False
            self.task.cancel()

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Within it `stop` raises CancelledError; a stop that came before it raises at once."""
        if self.stop_reason is not None:
            raise asyncio.CancelledError
        self._handling = True
        try:
            yield
        finally:
            if not self._handling and self.task is not None:
                self.task.uncancel()
            self._handling = False
