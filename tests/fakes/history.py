"""Jobs that are over, and the archive they move to, for tests that do not want to wait a day."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from libs.archive.moving import archive_finished
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.store.client import Store
from tests.fakes.hands import end, start
from tests.servers import S3Server

__all__ = ["PNG", "archive_all", "keys_naming", "make_artifact", "own_bucket", "run_one"]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "00ffff03000006000557bfabd40000000049454e44ae426082"
)


@asynccontextmanager
async def own_bucket(s3: S3Server) -> AsyncIterator[Objects]:
    """A new bucket on a server that others use as well."""
    objects = Objects(s3.endpoint, s3.access_key, s3.secret_key, f"arqade-{secrets.token_hex(8)}")
    await objects.open()
    yield objects
    objects.close()


async def archive_all(store: Store, objects: Objects) -> int:
    """Move all that has ended; how many jobs."""
    seconds, microseconds = await store.call("TIME")
    ended_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
    while True:
        seconds, microseconds = await store.call("TIME")
        if int(seconds) * 1_000 + int(microseconds) // 1_000 > ended_ms:
            break
    moved = 0
    while some := await archive_finished(store, objects, 0):
        moved += some
    return moved


async def make_artifact(store: Store, objects: Objects, name: str = "0.png", queue: str = "gpu") -> str:
    """Run the one job that is ready to a good end with one picture; the job's id."""
    claimed = await start(store, queue)
    kept = await keep(
        objects, claimed.user_id, claimed.job_id, claimed.created_at_ms, claimed.attempt, [_picture(name)]
    )
    await end(store, claimed, output={"seed": 7}, artifacts=kept)
    return claimed.job_id


async def run_one(store: Store, queue: str = "gpu", **ending: Any) -> str:
    """Run the one job that is ready to its end; its id."""
    claimed = await start(store, queue)
    await end(store, claimed, **ending)
    return claimed.job_id


async def keys_naming(store: Store, *ids: str) -> set[str]:
    """The keys of Redis in whose name or value one of these ids stands."""
    reads = {
        b"hash": ("HGETALL",), b"string": ("GET",), b"set": ("SMEMBERS",), b"zset": ("ZRANGE", 0, -1),
        b"stream": ("XRANGE", "-", "+"), b"list": ("LRANGE", 0, -1),
    }  # fmt: skip
    found = set()
    for key in await store.call("KEYS", "*"):
        command, *more = reads[await store.call("TYPE", key)]
        said = f"{key!r} {await store.call(command, key, *more)!r}"
        if any(one in said for one in ids):
            found.add(key.decode())
    return found


def _picture(name: str) -> NewArtifact:
    return NewArtifact(name, "image/png", PNG, {"seed": 7})
