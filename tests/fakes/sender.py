"""A worker process that sends to a limited provider as fast as its limiter lets it.

python -m tests.fakes.sender URL SENDERS REQUESTS LIMITER RULE_AS_JSON      with REDIS_URL in the environment

SENDERS wait for slots at once; together they send REQUESTS (0: until killed). Prints, as JSON, what came back:
how many answers of each status, and how often there was no slot.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter

import uvloop

from libs.backends.limiter import Limiter, NoSlot, Rule
from libs.backends.transport import Transport
from tests.servers import open_store

__all__ = ["main"]

_DEADLINE_S = 60.0
_TOO_MANY = 429


async def send(url: str, senders: int, requests: int, name: str, rule: Rule) -> Counter[str]:
    store = await open_store(os.environ["REDIS_URL"])
    transport, limiter, told = Transport("upstream", url), Limiter(store, name, rule), Counter[str]()
    todo = iter(range(requests)) if requests else iter(int, 1)

    async def one_after_the_other() -> None:
        for _ in todo:
            try:
                async with limiter.slot(deadline_s=_DEADLINE_S) as slot:
                    reply = await transport.post("/v1/predictions", {})
                    told[str(reply.status)] += 1
                    if reply.status == _TOO_MANY:
                        raise await slot.refuse(reply.retry_after_s)
            except NoSlot as error:
                told["no slot"] += 1
                await asyncio.sleep(error.retry_in_s)

    await asyncio.gather(*[one_after_the_other() for _ in range(senders)])
    await transport.aclose()
    await store.close()
    return told


def main() -> None:
    url, senders, requests, name, rule = sys.argv[1:]
    print(json.dumps(uvloop.run(send(url, int(senders), int(requests), name, Rule(**json.loads(rule))))))


if __name__ == "__main__":
    main()
