"""Places where a worker dies on order. Production code has none of this: its calls are wrapped from outside.

An order is `<when> <call> <n>`: before, during or after the n-th call of that name in this process. Calls are the
scripts' names, `submission` (a report that records one), `put` and `copy` (an object), and `backend` (a request to it).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from libs.artifacts.objects import Objects
from libs.store.client import Store
from tests.faults import backend, kinds

__all__ = ["FAILPOINT", "FAILPOINTS", "KILLED", "obey"]

#: The variable that holds an order.
FAILPOINT = "ARQADE_FAULTS_FAILPOINT"
#: The exit status of a worker that died on order.
KILLED = 77

FAILPOINTS = {
    "claimed": "after claim 1",
    "submitting": "before submission 1",
    "submitted": "after submission 1",
    "at the backend": "after backend 1",
    "mid-upload": "during put 1",
    "uploaded": "after put 1",
    "before the commit": "before finish 1",
    "during the commit": "during finish 1",
    "after the commit": "after finish 1",
    "renewing": "before renew 3",
}

_MOMENT_S = 0.002


def obey(order: str) -> None:
    """Make this process die at that place."""
    when, name, nth = order.split()
    seen: Counter[str] = Counter()

    async def watched(call: str, made: Callable[[], Awaitable[Any]]) -> Any:
        if call != name:
            return await made()
        seen[call] += 1
        due = seen[call] == int(nth)
        if due and when == "before":
            os._exit(KILLED)
        if due and when == "during":
            threading.Timer(_MOMENT_S, os._exit, (KILLED,)).start()
        reply = await made()
        if due and call == "claim" and len(reply) <= len(("next due", "makes room")):
            seen[call] -= 1  # nothing was claimed: the next one counts
        elif due:
            os._exit(KILLED)
        return reply

    _wrap(watched)


def _wrap(watched: Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]) -> None:
    run, put, copy, ask = Store.run, Objects.put, Objects.copy, backend.ask

    async def watched_run(self: Store, script: Any, keys: Any = (), args: Any = ()) -> Any:
        name = "submission" if script.name == "report" and args[4] == "submission" else script.name
        return await watched(name, lambda: run(self, script, keys, args))

    async def watched_put(self: Objects, *facts: Any) -> Any:
        return await watched("put", lambda: put(self, *facts))

    async def watched_copy(self: Objects, *names: Any) -> Any:
        return await watched("copy", lambda: copy(self, *names))

    async def watched_ask(*request: Any) -> dict[str, Any]:
        found: dict[str, Any] = await watched("backend", lambda: ask(*request))
        return found

    wraps = {
        "run": (Store, watched_run),
        "put": (Objects, watched_put),
        "copy": (Objects, watched_copy),
        "ask": (kinds, watched_ask),
    }
    for call, (owner, wrapped) in wraps.items():
        setattr(owner, call, wrapped)
