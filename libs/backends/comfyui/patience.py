"""How long to wait for what, in one place, so that a test can be in a hurry."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Times in seconds.

    `connect_s` a connection, `call_s` a call as a whole, `fetch_s` an output file as a whole. `poll_s` without news
    of a prompt, its record is looked at; `silence_s` without a message, the socket is opened anew. A server may be
    away for `away_s` in the middle of a prompt before the job is handed back. `farewell_s` is how long the
    cancelling of a prompt may hold up the end of a stopped attempt. A server that runs nothing for `idle_s` while a
    prompt waits, or does not end a canceled one within `ending_s`, is stuck. A prompt that somebody has interrupted at
    the server is tried again where `interrupted_again`.
    """

    connect_s: float = 2.0
    call_s: float = 10.0
    fetch_s: float = 120.0
    poll_s: float = 5.0
    silence_s: float = 30.0
    reconnect_s: float = 0.25
    away_s: float = 15.0
    farewell_s: float = 3.0
    idle_s: float = 120.0
    ending_s: float = 30.0
    interrupted_again: bool = False
