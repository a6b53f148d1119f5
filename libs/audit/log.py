"""Reading the audit log."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from libs.audit.act import Act, read_act
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.stream import Older, newest_first

__all__ = ["Acts", "WantedActs", "list_acts", "read_acts"]

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


async def list_acts(
    store: Store, wanted: WantedActs, *, limit: int, before: str = "", older: Older | None = None
) -> Acts:
    """A page, newest first; `older` reads what was archived.

    At most 1,000 entries are looked at, fewer where the archive is away: a page may be short and have more behind it.
    Raises Unavailable when nothing could be looked at.
    """
    found: list[Act] = []
    seen, position = 0, None
    try:
        async with aclosing(newest_first(store, store.keys.audit, before, limit + 1, older)) as entries:
            async for entry_id, words in entries:
                one = read_act(entry_id, words)
                if wanted.fits(one):
                    if len(found) == limit:
                        return Acts(tuple(found), found[-1].entry_id)
                    found.append(one)
                seen, position = seen + 1, one.entry_id
                if one.number == 1:
                    break
                if seen >= _SCAN_MAX:
                    return Acts(tuple(found), position)
    except Unavailable:
        if position is None:
            raise
        return Acts(tuple(found), position)
    return Acts(tuple(found), None)


async def read_acts(store: Store, *, after: str = "", limit: int) -> tuple[Act, ...]:
    """At most `limit` acts, oldest first, from behind the entry `after`."""
    page = await store.call("XRANGE", store.keys.audit, f"({after}" if after else "-", "+", "COUNT", limit)
    return tuple(read_act(entry_id, words) for entry_id, words in page)
