"""Who is told of events: an endpoint, as it is stored; a user's id names the one of their jobs' and batches' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.webhooks.secrets import SecretName

__all__ = ["DisabledReason", "Endpoint", "read_endpoint"]

#: Its owner said so; it answered 410; it failed for as long as a schedule takes.
DisabledReason = Literal["owner", "gone", "failing"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. Times are milliseconds of Redis's clock since the epoch; None where it has not happened.

    The endpoint of jobs' and batches' own webhooks has no URL, events or token: each names its own. `former` is the
    secret before this one, good until `former_until_ms`. `dropped` counts events that found the queue full.
    """

    id: str
    user_id: str
    secret: SecretName
    url: str = ""
    events: tuple[str, ...] = ()
    description: str = ""
    sealed_token: str | None = None
    created_at_ms: int = 0
    disabled: DisabledReason | None = None
    disabled_at_ms: int | None = None
    rotated_at_ms: int | None = None
    former: SecretName | None = None
    former_until_ms: int | None = None
    delivered_at_ms: int | None = None
    failed_at_ms: int | None = None
    failing_since_ms: int | None = None
    dropped: int = 0

    @property
    def is_default(self) -> bool:
        """Whether it stands for the webhooks that a user's jobs and batches name themselves."""
        return self.id == self.user_id

    def secrets_at(self, now_ms: float) -> tuple[SecretName, ...]:
        """What a delivery is signed with at that time."""
        if self.former is not None and now_ms < (self.former_until_ms or 0):
            return self.secret, self.former
        return (self.secret,)


def read_endpoint(endpoint_id: str, record: Sequence[bytes]) -> Endpoint:
    """An endpoint from its record (the reply to HGETALL); fields that a newer version wrote are ignored."""
    stored = {name.decode(): value.decode() for name, value in zip(record[::2], record[1::2], strict=True)}
    return Endpoint(
        id=endpoint_id,
        user_id=stored["user"],
        secret=SecretName.read(stored["secret"]),
        url=stored.get("url", ""),
        events=tuple(stored.get("events", "").split()),
        description=stored.get("description", ""),
        sealed_token=stored.get("token") or None,
        created_at_ms=int(stored.get("created", 0)),
        disabled=stored.get("disabled") or None,  # type: ignore[arg-type]
        disabled_at_ms=_int(stored, "disabled_at"),
        rotated_at_ms=_int(stored, "rotated"),
        former=SecretName.read(stored["former"]) if "former" in stored else None,
        former_until_ms=_int(stored, "former_until"),
        delivered_at_ms=_int(stored, "delivered"),
        failed_at_ms=_int(stored, "failed"),
        failing_since_ms=_int(stored, "failing"),
        dropped=int(stored.get("dropped", 0)),
    )


def _int(stored: Mapping[str, str], name: str) -> int | None:
    return int(stored[name]) if name in stored else None
