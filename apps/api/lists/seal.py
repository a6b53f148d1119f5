"""Cursors that are opaque and signed: nobody learns or gains anything by changing one."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

from libs.errors import Refusal

__all__ = ["Seal"]

_SIGNATURE_BYTES = 16
_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True)
class Seal:
    """Signs cursors with a secret of the deployment."""

    secret: bytes

    def close(self, owner: str, position: str) -> str:
        """The cursor of a position; `owner` says whose it is and of which list."""
        signed = self._sign(owner, position) + position.encode()
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def open(self, owner: str, cursor: str) -> str:
        """The position; refuses with `malformed_request` what was not closed by us for this owner."""
        if len(cursor) > _LENGTH_MAX:
            raise _bad_cursor()
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            position = signed[_SIGNATURE_BYTES:].decode()
        except (binascii.Error, ValueError):
            raise _bad_cursor() from None
        if not hmac.compare_digest(signed[:_SIGNATURE_BYTES], self._sign(owner, position)):
            raise _bad_cursor()
        return position

    def _sign(self, owner: str, position: str) -> bytes:
        return hmac.digest(self.secret, f"cursor\n{owner}\n{position}".encode(), "sha256")[:_SIGNATURE_BYTES]


def _bad_cursor() -> Refusal:
    return Refusal("malformed_request", "The cursor is none that this list gave you")
