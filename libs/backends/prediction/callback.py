"""The address that a provider tells the end of a prediction to: made by us alone, and it says whose end it is."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Mapping
from typing import Final

__all__ = ["callback_token", "is_signed", "job_of_token"]

_SIGNATURE_BYTES: Final = 18
_TOLERANCE_S: Final = 300
_DIGITS_MAX, _SIGNATURES_MAX = 12, 8
_TOKEN: Final = re.compile(r"(job_[0-7][0-9a-hjkmnp-tv-z]{25})-(\d{1,6})-([A-Za-z0-9_-]{24})", re.ASCII)


def callback_token(secret: bytes, job_id: str, number: int) -> str:
    """The token for the creation of this number of a job's."""
    return f"{job_id}-{number}-{_signature(secret, job_id, number)}"


def job_of_token(secret: bytes, token: str) -> str | None:
    """The job that a token is for, None when we have not made it."""
    match = _TOKEN.fullmatch(token)
    if match is None or not secret:
        return None
    made = _signature(secret, match[1], int(match[2]))
    return match[1] if hmac.compare_digest(made, match[3]) else None


def _signature(secret: bytes, job_id: str, number: int) -> str:
    digest = hmac.digest(secret, f"callback\n{job_id}\n{number}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a call bears the provider's signature, and is of these minutes (Standard Webhooks 1.0).

    `secret` is `whsec_` and base64. (https://replicate.com/docs/topics/webhooks/verify-webhook)
    """
    message_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at[:_DIGITS_MAX])) > _TOLERANCE_S:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:  # binascii's too
        return False
    made = hmac.digest(key, f"{message_id}.{sent_at}.".encode() + body, "sha256")
    wanted = b"v1," + base64.b64encode(made)
    told = headers.get("webhook-signature", "").encode("latin-1", "replace").split()
    return any(hmac.compare_digest(each, wanted) for each in told[:_SIGNATURES_MAX])
