"""Peppers: the secrets that api keys are hashed with. There is a current one, and there may be former ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from libs.access.api_key import digest

__all__ = ["Peppers", "pepper_version"]

_VERSION_CHARS = 8


@dataclass(frozen=True, slots=True)
class Peppers:
    """New api keys are hashed with the current pepper; those made with a former one are still found.

    A former pepper may go once no api key has its version any more: they expire, or are rotated.
    """

    current: bytes
    former: tuple[bytes, ...] = ()

    def digests(self, secret: str) -> tuple[str, ...]:
        """What a secret may be stored under, the current pepper's first."""
        if not self.former:
            return (digest(secret, self.current),)
        return tuple([digest(secret, pepper) for pepper in (self.current, *self.former)])


def pepper_version(pepper: bytes) -> str:
    """Names a pepper without telling it: nobody has to count versions, or to remember which one this was."""
    return hashlib.sha256(b"pepper version\n" + pepper).hexdigest()[:_VERSION_CHARS]
