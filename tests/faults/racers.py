"""Processes that want the same thing at the same moment: each is forked, connects, waits for the word, submits once.

::

    python -m tests.faults.racers <redis url> <user> <racers> rate|quota   →   {"admitted": 1, "quota_exceeded": 63}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter

from libs.admission.rate import RateRule
from libs.errors import Refusal
from tests.fakes.callers import make_caller, submit
from tests.servers import open_store

#: What there is to have: so many submissions a minute, or so many units a day. The next token takes 30 s.
THERE_IS = {"rate": 2, "quota": 1}
LIMITS = {"rate": "submits_per_minute", "quota": "units_per_day"}
UNLIMITED = dict.fromkeys(LIMITS.values())


async def race(url: str, user_id: str, what: str, go: int) -> str:
    store = await open_store(url)
    caller = make_caller("free", user_id, queued_max=1_000, **UNLIMITED | {LIMITS[what]: THERE_IS[what]})
    await asyncio.to_thread(os.read, go, 1)  # until the other end is closed
    try:
        await submit(store, caller, rate_rule=RateRule())
    except Refusal as refusal:
        return refusal.code
    finally:
        await store.close()
    return "admitted"


def main(url: str, user_id: str, racers: int, what: str) -> Counter[str]:
    go, start = os.pipe()
    ends = []
    for _ in range(racers):
        told, tell = os.pipe()
        if os.fork() == 0:
            os.close(start)
            os.write(tell, asyncio.run(race(url, user_id, what, go)).encode())
            os._exit(0)
        os.close(tell)
        ends.append(told)
    os.close(start)
    return Counter(os.read(end, 100).decode() for end in ends)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])))
