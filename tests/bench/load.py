"""Load: 64 keep-alive connections that send one request after the other, as raw HTTP/1.1, from a process of its own.

    python -m tests.bench.load PORT SECONDS PID         prints JSON; the CPU is that of the process PID

Every answer must be a 202. Each request carries a key of its own in Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import cast

import uvloop

from tests.bench.figures import percentile
from tests.bench.processes import cpu_s

__all__ = ["BODY", "main"]

_CONNECTIONS = 64
_WARM_UP_S = 0.7

#: A submission of 300 bytes.
BODY = json.dumps(
    {
        "kind": "generate",
        "input": {
            "prompt": "a lighthouse on a cliff above a stormy sea at dusk, painted in oil, thick brushwork, warm light",
            "negative_prompt": "text, watermark, low quality",
            "width": 768,
            "height": 768,
            "steps": 25,
            "cfg_scale": 7.0,
            "sampler": "euler",
            "seed": 123456789,
        },
    }
).encode()


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, head: bytes, load: Load) -> None:
        self._head = head
        self._load = load
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0 or len(self._received) < head_end + 4 + _length(self._received[:head_end]):
            return
        now = time.perf_counter()
        self._load.note(self._received, now - self._sent_at)
        self._received = b""
        if not self._load.over:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.over:
            self._load.fail("a connection was closed")

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._head % self._load.next_number() + BODY)


class Load:
    """What all connections share."""

    def __init__(self) -> None:
        self.over = False
        self.spans: list[float] = []
        self.failure = ""
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def note(self, answer: bytes, span_s: float) -> None:
        if not answer.startswith(b"HTTP/1.1 202"):
            self.fail(answer[:500].decode())
        self.spans.append(span_s)

    def fail(self, why: str) -> None:
        self.failure, self.over = why, True


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    if not found:
        sys.exit(f"an answer without a length: {head.decode()}")
    return int(rest.partition(b"\r\n")[0])


async def press(port: int, seconds: float, pid: int) -> dict[str, float]:
    """Send for so long, after a warm-up."""
    load = Load()
    loop = asyncio.get_running_loop()
    head = _head(port)
    transports = [
        (await loop.create_connection(lambda: Client(head, load), "127.0.0.1", port))[0] for _ in range(_CONNECTIONS)
    ]
    await asyncio.sleep(_WARM_UP_S)
    load.spans.clear()
    began_at, cpu_before = time.perf_counter(), cpu_s(pid)
    await asyncio.sleep(seconds)
    spans, took_s, cpu = load.spans.copy(), time.perf_counter() - began_at, cpu_s(pid) - cpu_before
    if load.failure:
        sys.exit(load.failure)
    load.over = True
    for transport in transports:
        transport.close()
    return {
        "per_s": len(spans) / took_s,
        "p50_ms": percentile(spans, 0.5) * 1e3,
        "p99_ms": percentile(spans, 0.99) * 1e3,
        "cpu_ms": cpu / len(spans) * 1e3,
    }


def _head(port: int) -> bytes:
    lines = [
        "POST /api/v1/jobs HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {os.environ.get('BENCH_API_KEY', 'none')}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        'Idempotency-Key: "submission-%d"',
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def main() -> None:
    port, seconds, pid = sys.argv[1:]
    print(json.dumps(uvloop.run(press(int(port), float(seconds), int(pid)))))


if __name__ == "__main__":
    main()
