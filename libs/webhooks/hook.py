"""A webhook that one job or batch names for itself, as its record keeps it.

The scripts read the member `webhook` alone: the receiver and the words that are told. Who delivers reads the rest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

__all__ = ["Hook", "read_hook", "receiver_of"]


@dataclass(frozen=True, slots=True)
class Hook:
    """`words` are the events without their family: `succeeded` of `job.succeeded`. The token is sealed."""

    url: str
    receiver: str
    words: tuple[str, ...]
    sealed_token: str | None = None

    def members(self) -> list[str | bytes]:
        """Members of a record: name and value by turns."""
        to = {"url": self.url, "receiver": self.receiver, "token": self.sealed_token}
        return ["webhook", " ".join((self.receiver, *self.words)), "webhook_to", orjson.dumps(to)]


def read_hook(webhook: bytes | None, webhook_to: bytes | None) -> Hook | None:
    """From the members of a record; None where it names no webhook."""
    if not webhook or not webhook_to:
        return None
    receiver, *words = webhook.decode().split()
    to = orjson.loads(webhook_to)
    return Hook(to["url"], receiver, tuple(words), to.get("token"))


def receiver_of(user_id: str, authority: str) -> str:
    """What a host that a user's jobs name is called: a digest, since the user chose it."""
    return hashlib.sha256(f"{user_id}\n{authority}".encode()).hexdigest()[:16]
