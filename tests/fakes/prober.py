"""A process that calls a backend through its breaker, and writes down who else called at the same moment.

python -m tests.fakes.prober FAILURES        with REDIS_URL in the environment

All processes together fail the first FAILURES calls; the others succeed. Each call writes to the list `calls` how many
were under way. Ends when the breaker is closed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import uvloop

from libs.backends.breaker import Breaker, Rule
from libs.errors import Unavailable
from tests.servers import open_store

__all__ = ["RULE", "main"]

RULE = Rule(open_s=0.05, open_s_max=0.1)
_CALL_S = 0.01


async def probe(failures: int) -> None:
    store = await open_store(os.environ["REDIS_URL"])
    breaker = Breaker(store, "provider", RULE)
    while (await breaker.look()).state != "closed":
        with suppress(Unavailable):
            async with breaker.guard():
                await store.call("RPUSH", "calls", await store.call("INCR", "under-way"))
                await asyncio.sleep(_CALL_S)
                await store.call("DECR", "under-way")
                if await store.call("INCR", "ended") <= failures:
                    raise Unavailable("provider")
        await asyncio.sleep(_CALL_S)
    await store.close()


def main() -> None:
    uvloop.run(probe(int(sys.argv[1])))


if __name__ == "__main__":
    main()
