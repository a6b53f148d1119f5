"""Where a request stands in its caller's trace (W3C Trace Context): carried along with what it orders."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["read_traceparent"]

#: Section 3.2; a later version may say more behind another dash.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<known>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)


def read_traceparent(headers: Sequence[str]) -> str | None:
    """The header `traceparent` in the version that we know (00), or None: what is none is ignored, as section 4.3 says.

    So what is stored with each job, and sent on, has 55 characters and none that a header may not have.
    """
    found = _TRACEPARENT.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return f"00-{found['known']}"
