"""What webhooks keep secret, and how none of it stands in Redis in plain.

A signing secret is not stored at all: it is derived from the deployment's pepper and the endpoint's id, so whoever
reads Redis alone can sign nothing. A receiver's bearer token is the receiver's own choice, so it is stored, sealed with
AES-256-GCM (NIST SP 800-38D) under a key derived from the pepper, and bound to its user. What a former pepper made is
still read; what a forgotten one made is lost, and has to be made anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from Crypto.Cipher import AES

__all__ = ["SECRET_PREFIX", "SecretName", "Secrets", "decode_secret"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # what every secret begins with
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_VERSION_CHARS: Final = 8


@dataclass(frozen=True, slots=True)
class SecretName:
    """Which secret of an endpoint: the how many-th, derived from which pepper. As stored: `<number> <pepper>`."""

    number: int
    pepper: str

    @classmethod
    def read(cls, text: str) -> SecretName:
        """From its stored form."""
        number, _, pepper = text.partition(" ")
        return cls(int(number), pepper)

    def __str__(self) -> str:
        return f"{self.number} {self.pepper}"


class Secrets:
    """Derives signing secrets and seals bearer tokens, by the current pepper and the former ones."""

    def __init__(self, current: bytes, former: Sequence[bytes] = ()) -> None:
        """The same peppers that api keys are hashed with."""
        self._peppers = {_version(pepper): pepper for pepper in (*former, current)}
        self.pepper = _version(current)

    def signing_key(self, owner: str, name: SecretName) -> bytes | None:
        """The 32 bytes of an endpoint's secret; None when its pepper is forgotten."""
        return self._derived(name.pepper, f"webhook secret\n{owner}\n{name.number}")

    def signing_secret(self, owner: str, name: SecretName) -> str | None:
        """The same as its user is shown it: `whsec_…`."""
        key = self.signing_key(owner, name)
        return None if key is None else SECRET_PREFIX + base64.b64encode(key).decode()

    def seal(self, token: str, user_id: str) -> str:
        """A bearer token as it may be stored: `<pepper> <base64>`."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(self.pepper, nonce, user_id)
        assert cipher is not None  # noqa: S101  # the current pepper is always known
        text, tag = cipher.encrypt_and_digest(token.encode())
        return f"{self.pepper} {base64.b64encode(nonce + text + tag).decode()}"

    def unseal(self, sealed: str, user_id: str) -> str | None:
        """The bearer token; None when its pepper is forgotten, or when it was sealed for somebody else."""
        version, _, encoded = sealed.partition(" ")
        data = base64.b64decode(encoded)
        cipher = self._cipher(version, data[:_NONCE_BYTES], user_id)
        if cipher is None:
            return None
        try:
            token: bytes = cipher.decrypt_and_verify(data[_NONCE_BYTES:-_TAG_BYTES], data[-_TAG_BYTES:])
        except ValueError:
            return None
        return token.decode()

    def _cipher(self, version: str, nonce: bytes, user_id: str) -> Any:
        key = self._derived(version, "webhook bearer tokens")
        if key is None:
            return None
        cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=_TAG_BYTES)
        cipher.update(user_id.encode())
        return cipher

    def _derived(self, version: str, purpose: str) -> bytes | None:
        pepper = self._peppers.get(version)
        return None if pepper is None else hmac.digest(pepper, purpose.encode(), hashlib.sha256)


def decode_secret(secret: str) -> bytes:
    """The bytes behind `whsec_…`; raises ValueError."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a secret begins with {SECRET_PREFIX}")
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def _version(pepper: bytes) -> str:
    return hashlib.sha256(b"webhook pepper\n" + pepper).hexdigest()[:_VERSION_CHARS]
