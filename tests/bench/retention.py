"""Retention: what Redis still holds of jobs that are over, how fast they move, and what that costs the others.

    python -m tests.bench.retention [--jobs 100000] [--users 100]

Jobs are submitted, run and ended by the scripts themselves, then moved to the archive in one go on the embedded S3
server. Meanwhile somebody else submits, a job every 5 ms. "Before" is a Redis that has run and archived a few jobs of
every user already.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from libs.access.caller import Caller
from libs.archive.moving import archive_finished
from libs.artifacts.objects import Objects
from libs.jobs.lifecycle import cancel, claim, finish
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.bench.figures import percentile, print_table
from tests.bench.redis import fresh_redis
from tests.fakes.callers import make_caller, submit
from tests.servers import s3_server

__all__ = ["main"]

_COROUTINES = 64
_INPUT = {"text": "x" * 288}  # 300 bytes as JSON
_SUBMIT_EVERY_S = 0.005


async def _live(store: Store, callers: Sequence[Caller], jobs: int) -> None:
    """Submit, claim and end so many jobs, users taking turns."""
    left = iter(range(jobs))

    async def go_on() -> None:
        for n in left:
            await submit(store, callers[n % len(callers)], input=_INPUT)
            for one in (await claim(store, "wrk_bench", ["cpu"], 1, 60)).jobs:
                await finish(store, one.job_id, one.fence, "succeed", output={"n": n})

    await asyncio.gather(*[go_on() for _ in range(_COROUTINES)])
    while rest := (await claim(store, "wrk_bench", ["cpu"], 200, 60)).jobs:
        await asyncio.gather(*[finish(store, one.job_id, one.fence, "succeed", output={}) for one in rest])


async def _archive(store: Store, objects: Objects) -> int:
    await asyncio.sleep(0.002)
    moved = 0
    while some := await archive_finished(store, objects, 0):
        moved += some
    return moved


async def _knock(url: str, seconds: float) -> None:
    """Somebody else, in a process of their own, who notices when Redis is held up. Prints the ms of each submission."""
    store, caller = await Store.open(url, Keyspace.with_prefix("arqade"), timeout_s=30), make_caller()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        await submit(store, caller, queue="net", input=_INPUT, run_at_ms=int((time.time() + 86_400) * 1_000))
        print((time.perf_counter() - began) * 1_000, flush=True)
        await asyncio.sleep(_SUBMIT_EVERY_S)


@asynccontextmanager
async def _knocking(url: str, took_ms: list[float]) -> AsyncIterator[None]:
    knocker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, "--knock", url, stdout=asyncio.subprocess.PIPE
    )
    assert knocker.stdout is not None
    await knocker.stdout.readline()  # it has begun
    yield
    knocker.terminate()
    said, _ = await knocker.communicate()
    took_ms += [float(line) for line in said.splitlines() if line.count(b".") == 1]


async def _used_bytes(store: Store) -> int:
    """What Redis uses, but for its list of slow commands, which grows on a busy machine."""
    await store.call("SLOWLOG", "RESET")
    await store.call("MEMORY", "PURGE")
    await asyncio.sleep(0.5)
    _, _, rest = (await store.call("INFO", "memory")).decode().partition("used_memory:")
    return int(rest.split()[0])


async def _measure(url: str, objects: Objects, jobs: int, users: int) -> dict[str, list[object]]:
    store = await Store.open(url, Keyspace.with_prefix("arqade"), timeout_s=30)
    callers = [make_caller(queued_max=10**9) for _ in range(users)]
    await objects.open()
    await _live(store, callers, users)
    await _archive(store, objects)
    before = await _used_bytes(store)
    await _live(store, callers, jobs)
    full = await _used_bytes(store)
    alone_ms: list[float] = []
    beside_ms: list[float] = []
    for took_ms, meanwhile in ((alone_ms, asyncio.sleep(3)), (beside_ms, _archive(store, objects))):
        async with _knocking(url, took_ms):
            began = time.perf_counter()
            moved = await meanwhile
            took_s = time.perf_counter() - began
    await _cancel_somebodys(store)
    await _archive(store, objects)
    after = await _used_bytes(store)
    segments = len(await objects.list("usr_", limit=10**6))
    await store.close()
    return {
        "Redis before, MB": [before / 1e6],
        f"with {jobs:,} finished jobs, MB": [full / 1e6],
        "after they were archived, MB": [after / 1e6],
        "after / before": [after / before],
        "jobs moved a second": [(moved or 0) / took_s],
        "objects they take": [segments],
        "submission of somebody else, p99, alone, ms": [percentile(alone_ms, 0.99)],
        "meanwhile, ms": [percentile(beside_ms, 0.99)],
    }


async def _cancel_somebodys(store: Store) -> None:
    """What somebody else submitted is live work: it ends before Redis is weighed again."""
    for job_id in [one.decode() for one in await store.call("ZRANGE", store.keys.zset_of("net"), 0, -1)]:
        user_id = await store.call("HGET", store.keys.job + job_id, "user")
        await cancel(store, user_id.decode(), job_id)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--knock", help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.knock:
        uvloop.run(_knock(wanted.knock, 600))
        return
    with (
        fresh_redis() as (server, _),
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        s3_server(Path(folder)) as s3,
    ):
        objects = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)
        figures = uvloop.run(_measure(server.url, objects, wanted.jobs, wanted.users))
        objects.close()
    print_table(f"Retention: {wanted.jobs:,} jobs of {wanted.users} users, moved to the archive", [""], figures)


if __name__ == "__main__":
    main()
