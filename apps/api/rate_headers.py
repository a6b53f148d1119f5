"""The headers that tell a caller their limits.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10: `q` the quota, `w` the window
in seconds, `r` what remains, `t` the seconds until it is restored. `X-RateLimit-Limit`, `-Remaining` and `-Reset` are
what most clients read today; they tell of the first policy, and `-Reset` is in seconds from now, so that nobody's
clock matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from libs.admission.rate import Rate

__all__ = ["rate_headers"]

Header = tuple[bytes, bytes]


def rate_headers(rates: Sequence[Rate]) -> list[Header]:
    """The headers of these rates, the first of them the one that the request was about; none for no rates."""
    if not rates:
        return []
    first = rates[0]
    now = ", ".join([f'"{rate.policy}";r={rate.remaining};t={math.ceil(rate.reset_s)}' for rate in rates])
    return [
        (b"x-ratelimit-limit", b"%d" % first.limit),
        (b"x-ratelimit-remaining", b"%d" % first.remaining),
        (b"x-ratelimit-reset", b"%d" % math.ceil(first.reset_s)),
        (b"ratelimit-policy", _policies(tuple([(rate.policy, rate.limit, rate.window_s) for rate in rates]))),
        (b"ratelimit", now.encode()),
    ]


@lru_cache(maxsize=1_024)
def _policies(policies: tuple[tuple[str, int, int], ...]) -> bytes:
    return ", ".join(f'"{name}";q={limit};w={window_s}' for name, limit, window_s in policies).encode()
