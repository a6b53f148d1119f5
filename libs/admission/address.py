"""Limits on one address, whatever api keys it shows: for aliases that had such a limit where they come from."""

from __future__ import annotations

import hashlib

from libs.access.networks import sender_of
from libs.errors import Refusal
from libs.jobs.scripts import TAKE_OF_ADDRESS
from libs.store.client import Store

__all__ = ["take_of_address"]

_US = 1_000_000


async def take_of_address(store: Store, host: str | None, bucket: str, *, limit: int, window_s: int) -> None:
    """Take a token of the address; refuses `rate_limited` when there is none. The /64 of an IPv6 address is one.

    Counted in Redis, for all processes together. Raises Unavailable.
    """
    digest = hashlib.sha256(sender_of(host).encode()).hexdigest()[:32]
    wait_us = float(await store.run(TAKE_OF_ADDRESS, (), (digest, bucket, limit, window_s * _US)))
    if wait_us > 0:
        detail = f"At most {limit} submissions in {window_s} seconds from one address"
        raise Refusal("rate_limited", detail, retry_after_s=wait_us / _US, members={"violated-policies": ["address"]})
