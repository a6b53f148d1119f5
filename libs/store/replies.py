"""Error replies: which of them mean that Redis is away for now, and which are answers."""

from __future__ import annotations

from libs.errors import StoreFull, StoreReadOnly, Unavailable

__all__ = ["FAILED_OVER", "ReplyError", "verdict"]

_DETAIL_LENGTH_MAX = 300

#: A replica answers where the primary was: the connection is given up, so that the next one finds the primary.
FAILED_OVER = frozenset({"READONLY", "UNBLOCKED"})

_AWAY = {
    "BUSY": "is busy with a script that does not end",
    "CLUSTERDOWN": "is a cluster that is down",
    "LOADING": "is loading its data",
    "MASTERDOWN": "is a replica that has lost its primary",
    "MISCONF": "cannot write to its disk",
    "NOAUTH": "wants a password",
    "NOREPLICAS": "has too few replicas to accept writes",
    "OOM": "is out of memory",
    "READONLY": "is a read-only replica",
    "TRYAGAIN": "is moving keys",
    "UNBLOCKED": "became a replica",
}


_READ_ONLY = frozenset({"MISCONF", "NOREPLICAS", "READONLY"})


class ReplyError(Exception):
    """An error that Redis replied to a command: a bug of ours, or one inside a script.

    What Redis replies while it is away (out of memory, loading, read-only …) is raised as Unavailable instead.
    """

    @property
    def code(self) -> str:
        """The first word, such as `ERR`, `WRONGTYPE` or `NOSCRIPT`."""
        return str(self).partition(" ")[0]


def verdict(error: ReplyError) -> ReplyError | Unavailable:
    """What to raise for an error reply."""
    said = _AWAY.get(error.code)
    if said is None:
        return error
    detail = f"redis {said}: {str(error)[:_DETAIL_LENGTH_MAX]}"
    if error.code == "OOM":
        return StoreFull(detail)
    return StoreReadOnly(detail) if error.code in _READ_ONLY else Unavailable("redis", detail)
