"""Webhooks: how fast a backlog of events is delivered, what bounds it, and what it takes of Redis meanwhile.

    python -m tests.bench.webhooks [--events 100000] [--users 1] [--endpoints 1] [--workers 1] [--answer-ms 0]
        [--seconds 0]

The events are of finished jobs, written into the outbox as the scripts write them; each goes to every endpoint of its
user. Real workers deliver them over loopback, without TLS, to a receiver in a process of its own that answers after
`--answer-ms`. Each connection serves one delivery. --seconds: look on for so long, instead of to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import uvloop

from apps.resources import Resources, open_resources
from libs.jobs.lifecycle import claim, finish
from libs.store.client import Store
from libs.webhooks.endpoints import create_endpoint
from libs.webhooks.outbox import count_waiting, dispatch
from tests.bench.figures import percentile, print_table
from tests.bench.processes import cpu_s, spawned
from tests.fakes.api import settings_for
from tests.fakes.callers import make_caller, submit
from tests.fakes.workers import WorkerProcess, worker_process
from tests.servers import RedisServer, S3Server, redis_server, s3_server

__all__ = ["main"]

_JOBS_OF_USER = 100
_AT_ONCE = 500
_INPUT = {"text": "x" * 288}  # 300 bytes as JSON


async def _receive(answer_ms: float) -> None:
    """The receiver; prints its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        await reader.readexactly(int(rest.split(b"\r\n")[0]))
        await asyncio.sleep(answer_ms / 1000)
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _users(resources: Resources, count: int, endpoints: int, url: str) -> list[tuple[str, str]]:
    """Users with endpoints and finished jobs: each job with its user."""
    store, made = resources.store, list[tuple[str, str]]()
    for _ in range(count):
        caller = make_caller(queued_max=10**9, slots=10**6)
        for _ in range(endpoints):
            await create_endpoint(
                *(store, resources.webhook_secrets, caller.user_id),
                url=url, events=("job.succeeded",), description="", token=None,
            )  # fmt: skip
        made += [(caller.user_id, (await submit(store, caller, input=_INPUT)).job_id) for _ in range(_JOBS_OF_USER)]
    while jobs := (await claim(store, "wrk_bench", ["cpu"], 200, 60)).jobs:
        await asyncio.gather(*[finish(store, one.job_id, one.fence, "succeed", output={"n": 1}) for one in jobs])
    await store.call("DEL", store.keys.outbox)
    return made


async def _write(store: Store, jobs: Sequence[tuple[str, str]], events: int) -> None:
    """As outbox.lua does."""
    now_ms = int(time.time() * 1000)

    async def entry(number: int) -> None:
        user_id, job_id = jobs[number % len(jobs)]
        words = ("event", "job.succeeded", "user", user_id, "about", job_id, "sequence", number)
        await store.call("XADD", store.keys.outbox, "*", *words, "at", now_ms, "receiver", "")

    for first in range(0, events, _AT_ONCE):
        await asyncio.gather(*[entry(number) for number in range(first, min(first + _AT_ONCE, events))])


async def _used_mb(store: Store) -> float:
    await store.call("MEMORY", "PURGE")
    _, _, rest = (await store.call("INFO", "memory")).decode().partition("used_memory:")
    return int(rest.split()[0]) / 1e6


async def _redis_cpu_s(store: Store) -> float:
    lines = (await store.call("INFO", "cpu")).decode().split()
    return sum(float(line.split(":")[1]) for line in lines if line.startswith(("used_cpu_sys:", "used_cpu_user:")))


async def _waiting(store: Store) -> int:
    found = await count_waiting(store)
    return found.entries + found.deliveries


async def _dispatched(store: Store) -> list[float]:
    """How many ms each script took that makes deliveries of entries."""
    took_ms, moved = [], 1
    while moved:
        began = time.perf_counter()
        moved = await dispatch(store)
        took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms[:-1]


async def _drained(store: Store, workers: Sequence[WorkerProcess], seconds: float) -> dict[str, float]:
    """Watch, once the first has gone out."""
    first = await _waiting(store)
    while (before := await _waiting(store)) == first:
        await asyncio.sleep(0.05)
    pids = [worker.process.pid for worker in workers]
    began, redis_s, workers_s = time.monotonic(), await _redis_cpu_s(store), sum(map(cpu_s, pids))
    while (left := await _waiting(store)) and (not seconds or time.monotonic() < began + seconds):
        await asyncio.sleep(0.25)
    took_s, done = time.monotonic() - began, before - left
    return {
        "delivered": float(done),
        "in seconds": took_s,
        "deliveries a second": done / took_s,
        "ms of a worker's processor each": (sum(map(cpu_s, pids)) - workers_s) / done * 1e3,
        "ms of Redis's each": (await _redis_cpu_s(store) - redis_s) / done * 1e3,
    }


@asynccontextmanager
async def _opened(redis: RedisServer, s3: S3Server) -> AsyncIterator[Resources]:
    resources = await open_resources(settings_for(redis.url, s3))
    try:
        yield resources
    finally:
        await resources.close()


async def _measure(wanted: argparse.Namespace, port: int, redis: RedisServer, s3: S3Server, folder: Path) -> None:
    async with _opened(redis, s3) as resources:
        store, figures = resources.store, dict[str, float]()
        url = f"http://127.0.0.1:{port}/"
        jobs = await _users(resources, wanted.users, wanted.endpoints, url)
        empty_mb = await _used_mb(store)
        await _write(store, jobs, wanted.events)
        figures["Redis with the outbox, MB more"] = await _used_mb(store) - empty_mb
        took_ms = await _dispatched(store)
        figures["making deliveries of it, s"] = sum(took_ms) / 1000
        figures["a script of 50 entries, p50, ms"] = percentile(took_ms, 0.5)
        figures["p99, ms"] = percentile(took_ms, 0.99)
        figures["Redis with the deliveries, MB more"] = await _used_mb(store) - empty_mb
        told = {
            "worker_queues": "cpu",
            "egress_allowed_hosts": "127.0.0.1",
            "ocr_enabled": "false",
            "log_level": "WARNING",
        }
        with ExitStack() as stack:
            started = [
                stack.enter_context(worker_process(folder, redis.url, s3, **told)) for _ in range(wanted.workers)
            ]
            figures |= await _drained(store, started, wanted.seconds)
        figures["Redis afterwards, MB more"] = await _used_mb(store) - empty_mb
    title = (
        f"Webhooks: {wanted.events:,} events, {wanted.users} users with {wanted.endpoints} endpoints each, "
        f"{wanted.workers} workers, answers after {wanted.answer_ms:g} ms"
    )
    print_table(title, [""], {name: [value] for name, value in figures.items()})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    for name in ("--users", "--endpoints", "--workers"):
        parser.add_argument(name, type=int, default=1)
    parser.add_argument("--answer-ms", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.receive:
        uvloop.run(_receive(wanted.answer_ms))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for name in ("redis", "s3"):
            (folder / name).mkdir()
        redis = stack.enter_context(redis_server(folder / "redis", appendonly="no"))
        s3 = stack.enter_context(s3_server(folder / "s3"))
        told = ("--receive", "--answer-ms", str(wanted.answer_ms))
        receiver = stack.enter_context(spawned("tests.bench.webhooks", *told, environment={}))
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        uvloop.run(_measure(wanted, port, redis, s3, folder))


if __name__ == "__main__":
    main()
