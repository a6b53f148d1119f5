"""The promise: whatever delays and deaths there are, no span of a window sees more than the limit; and it is used."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from libs.backends.limiter import Limiter, NoSlot, Rule
from libs.embedded.process import tied_to_us
from tests.fakes.processes import eventually
from tests.fakes.strict_upstream import StrictUpstream, strict_upstream
from tests.servers import RedisServer, open_store

ROOT = Path(__file__).parents[5]
LIMIT, WINDOW_S = 100, 1.5
#: On a busy machine a request takes its time to arrive.
RULE = {"per_minute": LIMIT, "window_s": WINDOW_S, "arrives_within_s": 10.0}


@contextmanager
def sender(
    upstream: StrictUpstream, redis_url: str, requests: int = 0, senders: int = 8
) -> Iterator[subprocess.Popen[str]]:
    arguments = [upstream.url, str(senders), str(requests), "provider:create", json.dumps(RULE)]
    command = tied_to_us([sys.executable, "-m", "tests.fakes.sender", *arguments])
    environment = {"PYTHONPATH": str(ROOT), "REDIS_URL": redis_url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_more(upstream: StrictUpstream, requests: int) -> None:
    wanted = len(upstream.arrivals()) + requests
    eventually(lambda: len(upstream.arrivals()) >= wanted)


def test_four_processes_get_no_refusal_from_an_upstream_that_counts_both_ways(valkey: RedisServer) -> None:
    with strict_upstream(limit=LIMIT, window_s=WINDOW_S, jitter_s=0.05) as upstream, ExitStack() as processes:
        running = [processes.enter_context(sender(upstream, valkey.url, 65)) for _ in range(4)]
        told = sum((Counter(json.loads(process.communicate(timeout=60)[0])) for process in running), Counter[str]())
        assert told == {"201": 260}
        assert upstream.refused() == 0


def test_killed_processes_leave_no_refusal_and_no_standstill(valkey: RedisServer) -> None:
    with strict_upstream(limit=LIMIT, window_s=WINDOW_S, jitter_s=0.05) as upstream, ExitStack() as processes:
        one, other = (processes.enter_context(sender(upstream, valkey.url)) for _ in range(2))
        for victim in (one, other):
            wait_for_more(upstream, 40)
            victim.kill()
            processes.enter_context(sender(upstream, valkey.url))
        wait_for_more(upstream, LIMIT + 10)
        assert upstream.refused() == 0


def test_an_upstream_that_stands_still_for_a_while_refuses_nothing_afterwards(valkey: RedisServer) -> None:
    with strict_upstream(limit=LIMIT, window_s=WINDOW_S) as upstream, sender(upstream, valkey.url, senders=LIMIT):
        wait_for_more(upstream, LIMIT)
        upstream.freeze(1.5)
        wait_for_more(upstream, 2 * LIMIT)
        assert upstream.refused() == 0


async def test_no_window_holds_more_than_the_limit_whatever_becomes_of_the_requests(valkey: RedisServer) -> None:
    rule = Rule(per_minute=20, window_s=0.4, arrives_within_s=5.0)
    spans: list[tuple[float, float]] = []

    async def live(limiter: Limiter, chance: random.Random) -> None:
        for _ in range(10):
            with suppress(NoSlot, TimeoutError, ConnectionError):
                async with asyncio.timeout(chance.choice((0.05, 60))) as patience, limiter.slot(deadline_s=20):
                    patience.reschedule(None)
                    started_at = time.monotonic()
                    await asyncio.sleep(chance.uniform(0, 0.1))
                    if chance.random() < 0.1:
                        raise ConnectionError
                    spans.append((started_at, time.monotonic()))

    stores = [await open_store(valkey.url) for _ in range(4)]
    limiters = [Limiter(store, "provider:create", rule) for store in stores]
    await asyncio.gather(*[live(limiters[number % 4], random.Random(number)) for number in range(12)])
    for store in stores:
        await store.close()
    assert len(spans) > 40
    for started_at, _ in spans:
        assert sum(began <= started_at < ended + 0.4 for began, ended in spans) <= 20
