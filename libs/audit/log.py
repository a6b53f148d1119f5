"""Reading the audit log, and letting go of what was archived."""

from __future__ import annotations

from dataclasses import dataclass

from libs.audit.act import Act, read_act
from libs.store.client import Store

__all__ = ["Acts", "WantedActs", "forget_archived", "list_acts", "read_acts"]

_SCAN_MAX = 1_000


@dataclass(frozen=True, slots=True)
class WantedActs:
    """Which acts a page shows; None is any."""

    act: str | None = None
    on: str | None = None
    actor: str | None = None

    def fits(self, one: Act) -> bool:
        """Whether the act is one of them."""
        return self.act in (None, one.act) and self.on in (None, one.on) and self.actor in (None, one.actor.user_id)


@dataclass(frozen=True, slots=True)
class Acts:
    """Acts, newest first; `before` is the entry to go on from when there are more."""

    found: tuple[Act, ...]
    before: str | None


async def list_acts(store: Store, wanted: WantedActs, *, limit: int, before: str = "") -> Acts:
    """A page, newest first. At most 1,000 entries are looked at: a page may be short and still have more behind it."""
    found: list[Act] = []
    seen, start = 0, f"({before}" if before else "+"
    while seen < _SCAN_MAX:
        page = await store.call("XREVRANGE", store.keys.audit, start, "-", "COUNT", limit + 1)
        for entry_id, words in page:
            one = read_act(entry_id, words)
            if wanted.fits(one):
                if len(found) == limit:
                    return Acts(tuple(found), found[-1].entry_id)
                found.append(one)
        if len(page) <= limit:
            return Acts(tuple(found), None)
        seen, start = seen + len(page), f"({page[-1][0].decode()}"
    return Acts(tuple(found), start[1:])


async def read_acts(store: Store, *, after: str = "", limit: int) -> tuple[Act, ...]:
    """At most `limit` acts, oldest first, from behind the entry `after`: for whoever archives them."""
    page = await store.call("XRANGE", store.keys.audit, f"({after}" if after else "-", "+", "COUNT", limit)
    return tuple(read_act(entry_id, words) for entry_id, words in page)


async def forget_archived(store: Store, through: str) -> int:
    """Drop what lies before the entry `through`, archived all; how many. It stays itself, as the chain's start."""
    dropped: int = await store.call("XTRIM", store.keys.audit, "MINID", through)
    return dropped
