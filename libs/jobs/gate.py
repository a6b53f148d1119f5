"""Gates: how many jobs of a kind its backend takes at a time. The claim keeps to them; the rest wait in our queue."""

from __future__ import annotations

from libs.jobs.scripts import OPEN_GATE, SHUT_GATE
from libs.store.client import Store

__all__ = ["open_gate", "shut_gate"]


async def open_gate(store: Store, kind: str, *, places: int, in_flight_max: int) -> None:
    """From now on workers hold at most so many jobs of this kind, and so many are with them or at its backend.

    To be said now and then: places that stand for no job any more are freed by it.
    """
    await store.run(OPEN_GATE, (), (kind, places, in_flight_max))


async def shut_gate(store: Store, kind: str, seconds: float) -> None:
    """Hand out no job of this kind for so long: its backend would take none. A kind without a gate is left alone."""
    await store.run(SHUT_GATE, (), (kind, round(seconds * 1000)))
