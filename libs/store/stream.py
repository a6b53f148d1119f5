"""Reading a stream backwards, and on into wherever its older entries lie."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from libs.store.client import Store

__all__ = ["Entry", "Older", "newest_first"]

#: An entry as Redis replies it: its id, and name and value of its members by turns.
Entry = tuple[bytes, Sequence[bytes]]

#: What is older than an entry and not in the stream any more, newest first.
Older = Callable[[str | None], AsyncIterator[Entry]]


async def newest_first(
    store: Store, key: str, before: str, at_once: int, older: Older | None = None
) -> AsyncGenerator[Entry]:
    """The entries before one ("" is the end), read so many at a time, then what is `older`. Raises Unavailable."""
    start = f"({before}" if before else "+"
    while page := await store.call("XREVRANGE", key, start, "-", "COUNT", at_once):
        for entry_id, words in page:
            yield entry_id, words
        start = f"({page[-1][0].decode()}"
    if older is not None:
        async for entry in older(start[1:] or None):
            yield entry
