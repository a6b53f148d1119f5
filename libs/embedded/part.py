"""A part of a running system: how it is started, how one sees that it answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from libs.embedded.process import Child, Pause, StartError

__all__ = ["MINIMAL_ENVIRONMENT", "Part", "http_answers", "wait_until_answering"]

#: What an embedded server gets to see: nothing of ours.
MINIMAL_ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

_POLL_S = 0.02
_HTTP_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the system. `grace_s` is how long it may take to end when asked to."""

    name: str
    spawn: Callable[[], Child]
    answers: Callable[[], bool]
    start_timeout_s: float = 30.0
    grace_s: float = 10.0
    settings: Mapping[str, str] = field(default_factory=dict)


def wait_until_answering(part: Part, child: Child, pause: Pause = time.sleep) -> None:
    """Return once the part answers; raises StartError when it ends instead, or takes too long."""
    deadline = time.monotonic() + part.start_timeout_s
    while not part.answers():
        if not child.running:
            raise StartError(f"{part.name} ended with status {child.kill()}: {child.last_words}  (see {child.log})")
        if time.monotonic() > deadline:
            raise StartError(f"{part.name} did not answer within {part.start_timeout_s:g} s  (see {child.log})")
        pause(_POLL_S)


def http_answers(host: str, port: int, path: str, wanted: frozenset[int]) -> bool:
    """Whether a GET is answered with one of the statuses."""
    connection = http.client.HTTPConnection(host, port, timeout=_HTTP_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in wanted
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
