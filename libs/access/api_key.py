"""API keys: what a secret looks like, and what is kept of it.

A secret is `aq_live_` (`aq_adm_` for admins), random base 62, and six characters of CRC-32 over all of that: garbage is
told from a key without asking anyone, and secret scanners can match it. Only an HMAC of it is stored.
"""

from __future__ import annotations

import hmac
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DEFAULT_SCOPES", "SCOPES", "ApiKey", "digest", "hint", "mint", "well_formed"]

#: Every scope there is. `admin` has all others; `jobs:raw_workflow` lets a caller send backend workflows of its own.
SCOPES = frozenset(
    {
        "admin",
        "backends:read",
        "jobs:raw_workflow",
        "jobs:read",
        "jobs:write",
        "uploads:write",
        "webhooks:read",
        "webhooks:write",
    }
)
#: What a key may do when nobody said.
DEFAULT_SCOPES = SCOPES - {"admin", "jobs:raw_workflow"}

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK_CHARACTERS = 6  # 62^6 > 2^32
_SHAPE = re.compile(r"aq_(?:live|adm)_[0-9A-Za-z]{49,92}", re.ASCII)
_SCHEME = "1"  # HMAC-SHA256 with one pepper


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is stored, which is without its secret. Times are ms since the epoch.

    From `revoked_at_ms` on it is refused; that may lie ahead, where a rotation lets two keys overlap: then
    `replaced_by` is its successor, and there `replaces` is this one. `rates` are its own tokens a minute by bucket
    (submits, reads, uploads), over which it may not go however much its user has left. `networks` are the only ones
    it is good from; none means any. `pepper` is the version of what it was hashed with.
    """

    id: str
    user_id: str
    name: str
    scopes: frozenset[str]
    hint: str
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None
    rates: Mapping[str, int] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    replaces: str | None = None
    replaced_by: str | None = None
    pepper: str = ""


def mint(*, admin: bool = False, random_bytes: int = 32) -> str:
    """A new secret, to be shown once; 32 random bytes make 43 characters."""
    # 62^characters > 256^bytes: 8 / log2(62) characters a byte, rounded up
    characters = -(-random_bytes * 8_000_000 // 5_954_196)
    text = ("aq_adm_" if admin else "aq_live_") + _base62(secrets.randbits(random_bytes * 8), characters)
    return text + _check(text)


def well_formed(secret: str) -> bool:
    """Whether this can be a secret of ours at all: its shape, and its checksum."""
    return _SHAPE.fullmatch(secret) is not None and _check(secret[:-_CHECK_CHARACTERS]) == secret[-_CHECK_CHARACTERS:]


def digest(secret: str, pepper: bytes) -> str:
    """What a secret is stored and found under: the scheme, and HMAC-SHA256 in hex.

    256 random bits need no slow hash; the pepper keeps a stolen dump from being of use to who can guess at secrets.
    """
    return f"{_SCHEME}:{hmac.digest(pepper, secret.encode(), 'sha256').hex()}"


def hint(secret: str) -> str:
    """Enough of a secret for its owner to recognise it: the first 12 characters and the last 4."""
    return f"{secret[:12]}…{secret[-4:]}"


def _check(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK_CHARACTERS)


def _base62(number: int, characters: int) -> str:
    found = []
    for _ in range(characters):
        number, rest = divmod(number, 62)
        found.append(_BASE62[rest])
    return "".join(reversed(found))
