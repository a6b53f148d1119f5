"""Who is calling: a user, the api key they hold, and the limits of this request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.access.networks import Network
from libs.access.plan import Limits

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """What the rest of a request knows about its sender.

    `digest` is the HMAC of the secret: the scripts look the key up by it once more, so that a revoked key
    is refused however fresh a cached caller is. `rates` are the key's own, below the plan's; `networks` are where it
    may be used from, none meaning anywhere.
    """

    user_id: str
    email: str
    plan: str
    limits: Limits
    api_key_id: str
    api_key_name: str
    digest: str
    scopes: frozenset[str]
    rates: Mapping[str, int] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()

    def may(self, scope: str) -> bool:
        """Whether the key has the scope; `admin` has every scope."""
        return scope in self.scopes or "admin" in self.scopes
