"""Reading server-sent events as a browser does (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Sent", "read_event"]


@dataclass(frozen=True)
class Sent:
    """One event: its id, its type, its JSON."""

    id: str
    type: str
    data: dict[str, Any]


async def read_event(lines: AsyncIterator[str]) -> Sent | None:
    """The next event in the lines of a stream, None at its end; comments and `retry` are passed over."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, text = line.partition(":")
        if not line and "data" in fields:
            return Sent(fields["id"], fields["event"], orjson.loads(fields["data"]))
        if name:
            fields[name] = text.removeprefix(" ")
    return None
