"""What `arqade doctor` looks at in Redis: whether it could work now, how it is set up, and who has spoken to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from apps.cli.check import Check
from apps.cli.first_key import open_store
from apps.settings import Settings
from libs.errors import Unavailable
from libs.ids import new_id
from libs.store.client import Store
from libs.store.guard import inspect
from libs.store.processes import Process, list_processes
from libs.store.watch import Look, StoreWatch

__all__ = ["check_redis", "could_work", "told_of"]

#: Object stores refuse signatures that are 15 minutes off; certificates and tokens of others have less patience.
_SKEW_S_MAX: Final = 5.0
_MIB: Final = 2**20
_LATE_S: Final = 10.0


async def check_redis(settings: Settings) -> AsyncIterator[Check]:
    """Find what keeps Redis from doing its work."""
    try:
        async with open_store(settings) as store:
            watch = StoreWatch(store, new_id("process"), lambda: {"role": "doctor"})
            for check in could_work(await watch.look()):
                yield check
            for finding in await inspect(store, fsync=settings.redis_appendfsync):
                yield Check("bad" if finding.level == "refuse" else "warning", "redis", finding.line)
            yield await _clock(store)
            for check in told_of(await list_processes(store)):
                yield check
            if not await store.call("ZCARD", store.keys.users):
                yield Check("warning", "api keys", "there is no user yet", "arqade keys bootstrap makes the first")
    except (Unavailable, ValueError) as error:
        yield Check("bad", "redis", str(error), "check REDIS_URL, and that the server runs")


def could_work(look: Look) -> list[Check]:
    """What a look says: a server that answers and takes no writes is no better than one that is away."""
    ails = [Check("warning", "redis", line) for line in look.ails]
    if look.state != "up":
        return [Check("bad", "redis", look.why, look.remedy), *ails]
    used = f"{look.used_bytes / _MIB:.0f} MiB are used"
    if look.max_bytes:
        used += f" of {look.max_bytes / _MIB:.0f}"
    return [Check("good", "redis", f"answers and takes writes, {used}"), *ails]


def told_of(processes: Sequence[Process]) -> list[Check]:
    """What the processes of the last minute said of themselves."""
    ours = [one for one in processes if one.said.get("role") in ("api", "worker")]
    found = [
        Check(
            "warning",
            "api",
            f"{one.said['untrusted_proxy']} sends X-Forwarded-For and is not trusted, so its clients are one address",
            "name it in TRUSTED_PROXIES if it is your proxy; nothing is wrong if it is a client",
        )
        for one in ours
        if one.said.get("untrusted_proxy")
    ]
    late = [one for one in ours if one.heard_s_ago > _LATE_S]
    if late:
        line = f"{len(late)} processes were last heard {max(one.heard_s_ago for one in late):.0f} s ago"
        found.append(Check("warning", "processes", line, "they have ended, or cannot write to Redis"))
    if len(ours) > len(late):
        counts = {role: sum(one.said["role"] == role for one in ours) for role in ("api", "worker")}
        told = ", ".join(f"{count} {role}" for role, count in counts.items() if count)
        found.append(Check("good", "processes", f"{told}, heard within {_LATE_S:.0f} s"))
    return found


async def _clock(store: Store) -> Check:
    asked_at = time.time()
    seconds, microseconds = await store.call("TIME")
    here = (asked_at + time.time()) / 2
    skew_s = int(seconds) + int(microseconds) / 1e6 - here
    if abs(skew_s) > _SKEW_S_MAX:
        way = "ahead of" if skew_s > 0 else "behind"
        line = f"Redis is {abs(skew_s):.1f} s {way} this machine"
        return Check("warning", "clock", line, "run an NTP client on both")
    return Check("good", "clock", f"Redis and this machine differ by {abs(skew_s) * 1000:.0f} ms")
