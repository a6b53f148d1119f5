"""What a script costs Redis when few and when many jobs are queued, and what a queued job weighs.

    python -m tests.bench.scripts [--rounds 5] [--calls 200] [--full]      --full: 1,000,000 queued jobs too

One Redis a size, measured in turns. µs are Redis's own (INFO commandstats, EVALSHA) with many calls on their way at
once; the load is 100 users with their jobs in one queue, inputs of 300 bytes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack

import uvloop

from libs.access.caller import Caller
from libs.jobs.lifecycle import Claim, cancel, claim, finish
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.bench.figures import median, print_table, ratio
from tests.bench.redis import fresh_redis
from tests.fakes.callers import make_caller, submit

__all__ = ["main"]

KEYS = Keyspace.with_prefix("arqade")
SIZES = (1_000, 100_000)
FULL = (1_000_000,)
_COROUTINES = 128
_INPUT = {"text": "x" * 288}  # 300 bytes as JSON


class Loaded:
    """A Redis with jobs queued."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.callers = [_caller(i) for i in range(100)]
        self.bytes_a_job = 0.0
        self._turn = 0

    async def fill(self, jobs: int) -> None:
        """Queue jobs, users taking turns, and weigh them."""
        before = await self._used_bytes()
        left = iter(range(jobs))

        async def go_on() -> None:
            for _ in left:
                await self.submit()

        await asyncio.gather(*[go_on() for _ in range(_COROUTINES)])
        self.bytes_a_job = (await self._used_bytes() - before) / jobs

    async def submit(self) -> tuple[str, str]:
        """One more job; its user and id."""
        caller = self.callers[self._turn % len(self.callers)]
        self._turn += 1
        return caller.user_id, (await submit(self.store, caller, input=_INPUT)).job_id

    async def round(self, calls: int) -> dict[str, float]:
        """µs a call of each script. As many jobs leave as come."""
        made: list[tuple[str, str]] = []
        claimed: list[Claim] = []

        async def admit_one() -> None:
            made.append(await self.submit())

        async def claim_one() -> None:
            claimed.extend((await claim(self.store, "wrk_bench", ["cpu"], 1, 60)).jobs)

        async def finish_one() -> None:
            one = claimed.pop()
            await finish(self.store, one.job_id, one.fence, "succeed", output={})

        async def cancel_one() -> None:
            assert await cancel(self.store, *made.pop()) == "canceled"

        return {
            "admit": await self._cost(admit_one, calls),
            "claim": await self._cost(claim_one, calls // 2),
            "finish": await self._cost(finish_one, calls // 2),
            "cancel": await self._cost(cancel_one, calls // 2),
        }

    async def _cost(self, call: Callable[[], Awaitable[None]], calls: int) -> float:
        await self.store.call("CONFIG", "RESETSTAT")
        await asyncio.gather(*[call() for _ in range(calls)])
        stats = (await self.store.call("INFO", "commandstats")).decode()
        line = next(line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:"))
        return float(line.partition("usec_per_call=")[2].partition(",")[0])

    async def _used_bytes(self) -> int:
        memory = (await self.store.call("INFO", "memory")).decode()
        return int(memory.partition("used_memory:")[2].split()[0])


def _caller(number: int) -> Caller:
    return make_caller(
        user_id=f"usr_{number:022}",
        units_per_day=10_000_000,
        queued_max=1_000_000,
        slots=5,
    )


async def measure(urls: dict[int, str], rounds: int, calls: int) -> None:
    loaded = {}
    for size, url in urls.items():
        loaded[size] = Loaded(await Store.open(url, KEYS, timeout_s=5))
        await loaded[size].fill(size)
        await loaded[size].round(calls)
    costs: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for size, one in loaded.items():
            for script, cost_us in (await one.round(calls)).items():
                costs[script][size].append(cost_us)
    least, most = min(urls), max(urls)
    print_table(
        "Redis µs a script, by jobs queued",
        [*(f"{size:,}" for size in urls), f"ratio {most:,} : {least:,}"],
        {
            script: [*(median(of_size[size]) for size in urls), ratio(of_size[most], of_size[least])]
            for script, of_size in costs.items()
        },
    )
    print_table(
        "Redis bytes a queued job of 300 B input",
        [f"{size:,} queued" for size in urls],
        {"bytes": [loaded[size].bytes_a_job for size in urls]},
    )
    for one in loaded.values():
        await one.store.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--full", action="store_true")
    wanted = parser.parse_args(arguments)
    with ExitStack() as stack:
        sizes = SIZES + FULL if wanted.full else SIZES
        urls = {size: stack.enter_context(fresh_redis())[0].url for size in sizes}
        uvloop.run(measure(urls, wanted.rounds, wanted.calls))


if __name__ == "__main__":
    main()
