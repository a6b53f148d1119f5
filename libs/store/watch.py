"""Whether the store could do its work now, which is more than whether it answers.

A full Redis, a replica, a server whose log's disk is full: each answers PING, and refuses what we need it for. So one
look is a small real write, of the kind that is refused first, and a few words of INFO.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from libs import limits
from libs.errors import StoreFull, StoreReadOnly, Unavailable
from libs.store.client import Store
from libs.store.guard import read_info
from libs.store.processes import say
from libs.store.replies import ReplyError

__all__ = ["STATES", "Look", "State", "StoreWatch", "judged"]

State = Literal["up", "full", "read_only", "away"]
STATES: Final[tuple[State, ...]] = get_args(State)

_EVERY_S: Final = 2.0
#: What is older is not relied upon: whoever looked has stopped.
_STALE_S: Final = 10.0
_SECTIONS: Final = ("memory", "persistence", "replication")
#: A replica that copies still, or has said nothing for ten seconds, in the words of INFO.
_REPLICA_AWAY: Final = re.compile(r"state=(?!online)|lag=(?:-1|\d\d)")
_REMEDIES: Final[Mapping[State, str]] = {
    "up": "",
    "full": "raise maxmemory, or free memory: cancel and erase what is not needed, lower ARCHIVE_AFTER",
    "read_only": "free the disk that Redis writes to, bring its replicas back, or name its primary in REDIS_URL",
    "away": "check REDIS_URL, and that the server runs",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `why` says so in a sentence, and names what Redis said; `at` is on the watch's clock.

    `max_bytes` is 0 where Redis has no ceiling. `ails` are sentences on what does not keep it from working yet.
    """

    state: State
    at: float
    why: str = ""
    used_bytes: int = 0
    max_bytes: int = 0
    ails: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.state]


class StoreWatch:
    """Looks at one store; `keep` does so every two seconds, and whoever wants to know has the last result.

    What it writes is what the process says of itself (`says`), so that `arqade doctor` can read it of every process.
    """

    def __init__(
        self,
        store: Store,
        process: str,
        says: Callable[[], Mapping[str, Any]] = dict,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._process = process
        self.says = says
        self._clock = clock
        self.last: Look | None = None

    async def keep(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> Look:
        """Look now. Never raises."""
        replies: tuple[Any, Any] = await asyncio.gather(
            self._store.call("INFO", *_SECTIONS),
            say(self._store, self._process, self.says()),
            return_exceptions=True,
        )
        told, written = replies
        info = read_info(told) if isinstance(told, bytes) else {}
        self.last = judged(info, _failure_of(told, written), self._clock())
        return self.last

    def has_room(self) -> bool:
        """Whether something may be added: unless the store is known to be full. Asks nobody."""
        last = self.last
        return last is None or last.state != "full" or self._clock() - last.at >= _STALE_S

    def require_room(self) -> None:
        """The same; raises StoreFull."""
        if not self.has_room():
            raise StoreFull(self.last.why if self.last else "")


def judged(info: Mapping[str, str], failure: Exception | None, at: float) -> Look:
    """What to say of these words of INFO, and of how the write failed, if it did."""
    used, most = _used_bytes(info), _number(info, "maxmemory")
    state, why = _state(info, failure, used / most if most else 0.0)
    return Look(state, at, why, used, most, tuple(_ails(info)))


def _state(info: Mapping[str, str], failure: Exception | None, share: float) -> tuple[State, str]:
    match failure:
        case Unavailable():
            return _state_of(failure), failure.detail
        case ReplyError():
            return "read_only", f"redis refuses a write: {failure}"
    if info.get("role", "master") != "master":
        return "read_only", "redis is a replica"
    if share >= limits.STORE_FULL_SHARE:
        return "full", f"redis uses {share:.0%} of its maxmemory"
    return "up", ""


def _state_of(failure: Unavailable) -> State:
    match failure:
        case StoreFull():
            return "full"
        case StoreReadOnly():
            return "read_only"
        case _:
            return "away"


def _ails(info: Mapping[str, str]) -> list[str]:
    """What will hurt later."""
    failed = {
        "rdb_last_bgsave_status": "the last snapshot failed",
        "aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
        "aof_last_write_status": "the append-only file could not be written",
    }
    found = [f"{what}: look at Redis's log, and at its disk" for name, what in failed.items() if _bad(info, name)]
    if info.get("role") == "slave" and info.get("master_link_status") == "down":
        found.append("the replica has lost its primary")
    behind = sum(name.startswith("slave") and _REPLICA_AWAY.search(told) is not None for name, told in info.items())
    if behind:
        found.append(f"{behind} of {_number(info, 'connected_slaves')} replicas are not in step: look at their logs")
    return found


def _bad(info: Mapping[str, str], name: str) -> bool:
    return info.get(name, "ok") != "ok"


def _used_bytes(info: Mapping[str, str]) -> int:
    """What counts against maxmemory: buffers of replicas and of the append-only file do not."""
    return _number(info, "used_memory") - _number(info, "mem_not_counted_for_evict")


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "0")
    return int(text) if text.isdigit() else 0


def _failure_of(told: Any, written: Any) -> Exception | None:
    """Of two failures the one that says more: that of the write, unless only INFO's connection broke."""
    for reply in (written, told):
        if isinstance(reply, Unavailable) or (reply is written and isinstance(reply, ReplyError)):
            return reply
        if isinstance(reply, BaseException) and not isinstance(reply, ReplyError):
            raise reply
    return None
