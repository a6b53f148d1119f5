"""How long one body may hold up everybody else: the longest callback of the API's event loop, body by body.

    python -m tests.bench.bodies [--size 1.0] [--seeds 1]

The application runs in this process on a Redis and an S3 server of its own; the client's part of a callback counts.
CPU milliseconds. `size` is that of the bodies, 1 being as large as a body may be.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from apps.api.main import build
from apps.api.server.heap import freeze_heap
from apps.resources import open_resources
from libs.access.api_key import DEFAULT_SCOPES
from libs.workflows.node_classes import publish_classes
from tests.bench.figures import print_table
from tests.bench.redis import fresh_redis
from tests.fakes.api import Api, bearer, settings_for
from tests.fakes.graphs import CLASSES
from tests.fakes.holds import longest_hold
from tests.fakes.odd_bodies import odd_bodies
from tests.servers import S3Server, s3_server

__all__ = ["main"]

_TOLD = 12
_ADMIN = DEFAULT_SCOPES | {"admin", "jobs:raw_workflow"}


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """What became of a body."""

    held_ms: float
    name: str
    path: str
    status: int
    megabytes: float


async def _answers(redis_url: str, s3: S3Server, size: float, seeds: int) -> list[Answer]:
    resources = await open_resources(settings_for(redis_url, s3, bytes_in_flight_max=2**30))
    try:
        await publish_classes(resources.cells.shared, "comfyui", CLASSES)
        transport = httpx.ASGITransport(build(resources))
        freeze_heap()
        async with httpx.AsyncClient(transport=transport, base_url="http://arqade.test", timeout=120) as http:
            secret = await Api(resources, http).key("internal", _ADMIN)
            headers = bearer(secret) | {"Content-Type": "application/json"}
            found = []
            for seed in range(seeds):
                for name, method, path, body in odd_bodies(size, seed):
                    with longest_hold() as hold:
                        answer = await http.request(method, path, content=body, headers=headers)
                    found.append(Answer(hold.seconds * 1_000, name, path, answer.status_code, len(body) / 1e6))
            return found
    finally:
        await resources.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the longest holds, and how many bodies there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    wanted = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        fresh_redis() as (redis, _),
        s3_server(Path(folder)) as s3,
    ):
        found = sorted(asyncio.run(_answers(redis.url, s3, wanted.size, wanted.seeds)), reverse=True)
    rows = {
        f"{answer.name}, {answer.path}": [answer.megabytes, answer.status, answer.held_ms] for answer in found[:_TOLD]
    }
    print_table(f"{len(found)} odd bodies, those that held the loop longest", ["MB", "status", "ms"], rows)


if __name__ == "__main__":
    main()
