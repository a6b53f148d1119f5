"""An event on its way to an endpoint, as it is stored, and each attempt to deliver it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Attempt", "Delivery", "DeliveryStatus", "read_delivery"]

DeliveryStatus = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: the status of the answer, or the code of what went wrong before there was one."""

    at_ms: int
    took_ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery; its id is the `webhook-id` of every attempt. `about` is the id of what the event is about."""

    id: str
    user_id: str
    endpoint_id: str
    event: str
    about: str
    sequence: int
    at_ms: int
    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    next_attempt_at_ms: int | None


def read_delivery(delivery_id: str, record: Sequence[bytes]) -> Delivery:
    """A delivery from its record (the reply to HGETALL)."""
    stored = {name.decode(): value.decode() for name, value in zip(record[::2], record[1::2], strict=True)}
    status = stored["status"]
    return Delivery(
        id=delivery_id,
        user_id=stored["user"],
        endpoint_id=stored["endpoint"],
        event=stored["event"],
        about=stored["about"],
        sequence=int(stored["sequence"]),
        at_ms=int(stored["at"]),
        status=status,  # type: ignore[arg-type]
        attempts=tuple(_attempts(stored)),
        next_attempt_at_ms=int(float(stored["due"])) if status == "pending" else None,
    )


def _attempts(stored: Mapping[str, str]) -> list[Attempt]:
    """Members `attempt:<number>`, each `<at> <took> <status> <error>`, with - for none."""
    numbered = sorted(
        (int(name.removeprefix("attempt:")), value) for name, value in stored.items() if name.startswith("attempt:")
    )
    return [_attempt(*value.split(" ")) for _, value in numbered]


def _attempt(at: str, took: str, status: str, error: str) -> Attempt:
    return Attempt(int(at), int(took), None if status == "-" else int(status), None if error == "-" else error)
