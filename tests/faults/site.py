"""What all fault runs of a session share: Redis, the backend, the API, and the nurse that workers come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.settings import Settings
from tests.fakes.api import values_for
from tests.faults.api_process import ApiProcess, api_process
from tests.faults.backend import Backend, backend
from tests.faults.fleet import Nurse, nurse
from tests.faults.kinds import BACKEND_PORT, QUEUE
from tests.faults.servers import Breakable, breakable_redis
from tests.servers import RedisServer, S3Server

__all__ = ["Site", "environment", "site"]


@dataclass(frozen=True)
class Site:
    redis: RedisServer
    breaker: Breakable
    backend: Backend
    api: ApiProcess
    nurse: Nurse

    def make_whole(self) -> None:
        """Whatever the last run broke: mend it, and empty it."""
        self.breaker.restore()
        for setting in ("maxmemory", "min-replicas-to-write"):
            assert self.redis.call("CONFIG", "SET", setting, "0") == b"+OK"
        self.redis.flush()


def environment(redis: RedisServer, s3: S3Server, counting: Backend, **changes: Any) -> dict[str, str]:
    """What processes of a fault run are told."""
    values: Mapping[str, Any] = {
        **values_for(redis.url, s3),
        "redis_timeout_s": Settings.model_fields["redis_timeout_s"].default,  # what a slow Redis does is the subject
        "rate_limit_enabled": False,
        "ocr_enabled": False,
        "webhook_slots": 0,  # the outbox is read as the story of every job
        "egress_allowed_hosts": "127.0.0.1",
        "worker_queues": QUEUE,
        BACKEND_PORT: counting.port,
        **changes,
    }
    return {name.upper(): str(value) for name, value in values.items()}


@contextmanager
def site(folder: Path, s3: S3Server, *, redis_program: Path | None = None) -> Iterator[Site]:
    """Start all of it."""
    with (
        breakable_redis(folder, redis_program) as (redis, breaker),
        backend() as counting,
        nurse(folder) as nursing,
        api_process(folder, environment(redis, s3, counting)) as served,
    ):
        yield Site(redis, breaker, counting, served, nursing)
