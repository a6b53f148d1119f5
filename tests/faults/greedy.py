"""Clients that want more than their share, each in a way of its own, in a process that is not measured.

Standard input tells them whom to attack, with what, for how long and how much; they say at their end what they heard.
A greedy client comes back at once when it is refused: what is measured is what that costs others.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.patience import PATIENCE_S

__all__ = ["GREEDY", "Greedy", "Order", "pdf_of"]

MEGABYTE = 1024 * 1024
_AGAIN_S = 0.05
_CUT = "cut"  # the connection was closed on it without a word that it heard
_JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What a greedy client attacks, as whom, and how hard. `upload` and `file` are ids of uploads of theirs."""

    host: str
    port: int
    secret: str
    at_once: int
    megabytes: float
    upload: str = ""
    file: str = ""

    @property
    def signed(self) -> bytes:
        return b"Host: x\r\nX-API-Key: " + self.secret.encode() + b"\r\n"

    def post(self, path: str, body: bytes) -> bytes:
        head = b"POST %b HTTP/1.1\r\n" % path.encode() + self.signed + _JSON
        return head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


Told = Sequence[str]


@dataclass(frozen=True, slots=True)
class Greedy:
    """One of them: what it does, again and again, and the codes of which it is told one."""

    does: Callable[[Order], Awaitable[Told]]
    told: frozenset[str]


async def odd_json(order: Order) -> Told:
    """A prompt with as many objects in it as fit, each of them wrong."""
    count = int(order.megabytes * MEGABYTE / 8)
    body = b'{"prompt":"x","loras":[' + b",".join([b'{"a":1}'] * count) + b"]}"
    return [await say(order, order.post("/api/v1/generate", body))]


async def long_batch(order: Order) -> Told:
    """A batch of as many items as one may have, for a user with ten units a day."""
    body = b'{"kind":"noop","items":[' + b",".join([b'{"n":1}'] * 50_000) + b"]}"
    return [await say(order, order.post("/api/v1/batches", body))]


async def long_file(order: Order) -> Told:
    """The same as a file of lines that lies there already."""
    body = json.dumps({"kind": "noop", "input_file": order.file}).encode()
    return [await say(order, order.post("/api/v1/batches", body))]


async def trailers(order: Order) -> Told:
    """Trailers without end, with no key at all."""
    head = b"POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    return [await say(order, head, b"a:\r\n" * 65_536, order.megabytes * 8)]


async def unfinished_bodies(order: Order) -> Told:
    """Many bodies at once that are all but sent."""
    size = int(9.9 * MEGABYTE)
    head = b"POST /api/v1/jobs HTTP/1.1\r\n" + order.signed + _JSON + b"Content-Length: %d\r\n\r\n" % size
    piece = b" " * (size // 32)
    return await asyncio.gather(*[say(order, head, piece, 31 * len(piece) / MEGABYTE) for _ in range(order.at_once)])


async def completions(order: Order) -> Told:
    """One large upload, looked into as often as possible at once."""
    path = f"/api/v1/uploads/{order.upload}/complete"
    many = min(30, order.at_once)
    return await asyncio.gather(*[say(order, order.post(path, b"")) for _ in range(many)])


async def metadata(order: Order) -> Told:
    """Jobs with as much as possible beside their input."""
    members = {f"m{n}": "y" * int(order.megabytes * MEGABYTE / 50) for n in range(50)}
    body = json.dumps({"kind": "noop", "input": {}, "metadata": members}).encode()
    return [await say(order, order.post("/api/v1/jobs", body))]


async def pipelines(order: Order) -> Told:
    """As many requests as fit, on connections that read nothing meanwhile."""
    ping = b"GET /api/v1/me HTTP/1.1\r\n" + order.signed + b"\r\n"
    many = min(20, order.at_once)
    return await asyncio.gather(*[say(order, b"", ping * 2_000, order.megabytes) for _ in range(many)])


async def sockets(order: Order) -> Told:
    """Connections that say almost nothing, ten times as many as the others have."""
    half = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n" + b"".join(b"x%d:\r\n" % n for n in range(90))
    return await asyncio.gather(*[say(order, half) for _ in range(10 * order.at_once)])


_ONES_OWN = frozenset({"rate_limited"})

#: Each by its name. Who has to be told nothing but an answer that is cut off has `cut` among theirs.
GREEDY: Mapping[str, Greedy] = {
    "odd JSON": Greedy(odd_json, _ONES_OWN | {"body_too_large", "malformed_request", "validation_failed"}),
    "long batches": Greedy(long_batch, _ONES_OWN | {"quota_exceeded", "queue_limit"}),
    "long files": Greedy(long_file, _ONES_OWN | {"quota_exceeded", "queue_limit"}),
    "trailers": Greedy(trailers, frozenset({"headers_too_large", "method_not_allowed"})),
    "unfinished bodies": Greedy(unfinished_bodies, _ONES_OWN),
    "completions": Greedy(completions, _ONES_OWN | {"200", "conflict", "overloaded"}),
    "metadata": Greedy(metadata, _ONES_OWN | {"validation_failed", "body_too_large"}),
    "pipelined requests": Greedy(pipelines, _ONES_OWN),
    "sockets": Greedy(sockets, frozenset({"request_timeout"})),
}


async def say(order: Order, head: bytes, piece: bytes = b"", megabytes: float = 0) -> str:
    """Send a head, and a piece again and again, while listening: the code of the last answer, or its status."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(order.host, order.port)
            sending = asyncio.create_task(_send(writer, head, piece, megabytes))
            try:
                return await _last_code(reader)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return _CUT


async def _send(writer: asyncio.StreamWriter, head: bytes, piece: bytes, megabytes: float) -> None:
    with suppress(OSError):
        writer.write(head)
        await writer.drain()
        for _ in range(int(megabytes * MEGABYTE / len(piece)) if piece else 0):
            writer.write(piece)
            await writer.drain()


async def _last_code(reader: asyncio.StreamReader) -> str:
    """What the last answer on the connection said."""
    told = _CUT
    with suppress(OSError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").lower().split("\r\n")
            sizes = [int(line.split(":")[1]) for line in lines if line.startswith("content-length:")]
            body = await reader.readexactly(sizes[0] if sizes else 0)
            told = _code(lines[0].split(" ")[1], body)
    return told


def _code(status: str, body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return status
    return str(found.get("code", status)) if int(status) >= 400 else status  # HTTP's own number


def pdf_of(size: int) -> bytes:
    """A PDF of one page with a stream of so many bytes."""
    parts = [b"%PDF-1.4\n", b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"]
    parts.append(b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n")
    parts.append(b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>endobj\n")
    parts.append(b"4 0 obj<</Length %d>>stream\n" % size + b" " * size + b"\nendstream endobj\n")
    offsets, at = [], 0
    for part in parts:
        offsets.append(at)
        at += len(part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets[1:])
    rest = b"xref\n0 5\n0000000000 65535 f \n" + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % at
    return b"".join([*parts, rest])


async def attack(name: str, order: Order, until_s: float) -> Counter[str]:
    """One of them, again and again until its time is over."""
    told: Counter[str] = Counter()
    while asyncio.get_running_loop().time() < until_s:
        told.update(await GREEDY[name].does(order))
        await asyncio.sleep(_AGAIN_S)
    return told


async def attack_all(orders: Mapping[str, Mapping[str, Any]], lasts_s: float) -> dict[str, dict[str, int]]:
    until_s = asyncio.get_running_loop().time() + lasts_s
    told = await asyncio.gather(*[attack(name, Order(**order), until_s) for name, order in orders.items()])
    return dict(zip(orders, map(dict, told), strict=True))


if __name__ == "__main__":
    os.nice(10)  # clients have machines of their own; here they share one with what is measured
    wanted = json.load(sys.stdin)
    json.dump(asyncio.run(attack_all(wanted["orders"], wanted["lasts_s"])), sys.stdout)
