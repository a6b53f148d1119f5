"""How many connections each address has open to this process: no one is to take them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from libs.access.networks import Network, contains, parse_network, sender_of

__all__ = ["Crowd"]

_ALL = "*"


class Crowd:
    """Counts connections by sender: an IPv4 address, or an IPv6 /64. Trusted proxies come for many, and are spared."""

    def __init__(self, most: int, spared: Sequence[str] = ()) -> None:
        """`spared` are addresses and networks; `*` spares everybody, and a name spares nobody."""
        self._most = most
        self._spares_all = _ALL in spared
        self._spared: list[Network] = []
        for text in spared:
            with suppress(ValueError):
                self._spared.append(parse_network(text))
        self._open: Counter[str] = Counter()

    def enter(self, host: str | None) -> str | None:
        """Count a connection; the sender to `leave` as, or None when there are as many as there may be."""
        if self._spares_all or contains(self._spared, host):
            return ""
        sender = sender_of(host)
        if self._open[sender] >= self._most:
            return None
        self._open[sender] += 1
        return sender

    def leave(self, sender: str) -> None:
        """The connection is closed."""
        if sender:
            self._open[sender] -= 1
            if self._open[sender] <= 0:
                del self._open[sender]
