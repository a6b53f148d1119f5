"""What stays when a user has been erased, and for how long: told with every erasure, so that nobody has to guess."""

from __future__ import annotations

from dataclasses import dataclass

from libs.archive.logs import LOG_KEPT_S
from libs.store.client import Store
from libs.store.replies import ReplyError

__all__ = ["Stays", "what_stays"]

_DAY_S = 86_400
_SHARE = b"auto-aof-rewrite-percentage"
_LEAST = b"auto-aof-rewrite-min-size"


@dataclass(frozen=True, slots=True)
class Stays:
    """Something that erasing does not reach; `until` says when it is gone."""

    what: str
    detail: str
    until: str


_ALWAYS = (
    Stays("audit_log", "What admins did to the user and to their API keys: ids, no address and no content", "for ever"),
    Stays(
        "admissions",
        "Of each job its id and the user's, in the list behind GET /admin/jobs",
        f"{LOG_KEPT_S // _DAY_S} days after the job was submitted",
    ),
    Stays("uploads", "Ids of uploads whose URL was still good, without their names", "30 days after the URL lapsed"),
    Stays(
        "backups",
        "Whatever backups of Redis and of the bucket hold; versions, where the bucket keeps them",
        "you say so",
    ),
    Stays(
        "elsewhere",
        "What webhooks, backends and providers were sent; lines of logs, which have ids only",
        "they say so",
    ),
)


async def what_stays(store: Store) -> tuple[Stays, ...]:
    """All of it, with what Redis says of its append-only file. Raises Unavailable."""
    told = _fields(await store.call("INFO", "persistence"))
    if told.get("aof_enabled") != "1":
        return _ALWAYS
    until = "Redis rewrites the file: at once by BGREWRITEAOF"
    if told.get("aof_rewrite_in_progress") == "1":
        until += ", again if it was begun before this; one is under way"
    if (at := await _rewritten_at(store, int(told.get("aof_base_size", 0)))) is not None:
        until += f", by itself at {at} bytes (it has {told.get('aof_current_size', '0')})"
    file = Stays("append_only_file", "The commands that wrote what was erased, on the disks of Redis", until)
    return (*_ALWAYS, file)


async def _rewritten_at(store: Store, base_bytes: int) -> int | None:
    """The size at which Redis rewrites its file by itself; None where it does not, or does not say."""
    try:
        reply = await store.call("CONFIG", "GET", "auto-aof-rewrite-*")
    except ReplyError:
        return None  # a managed Redis
    said = dict(zip(reply[::2], reply[1::2], strict=True))
    share = int(said.get(_SHARE, 0))
    return max(int(said.get(_LEAST, 0)), base_bytes * (100 + share) // 100) if share > 0 else None


def _fields(info: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}
