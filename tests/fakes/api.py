"""What tests of the API need besides its parts: settings, callers with keys, and the API as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from apps.resources import Resources
from apps.settings import Settings
from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key
from libs.access.users import create_user
from tests.fakes.processes import eventually
from tests.patience import PATIENCE_S
from tests.servers import S3Server

__all__ = [
    "PEPPER",
    "Api",
    "ApiProcess",
    "api_process",
    "bearer",
    "environment_of",
    "settings_for",
    "values_for",
]

PEPPER = "a pepper that is long enough for tests"
_ROOT = Path(__file__).parents[2]
_SERVE = "from apps.api.main import serve; from apps.settings import Settings; raise SystemExit(serve(Settings()))"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def values_for(redis_url: str, s3: S3Server) -> dict[str, Any]:
    """Where everything is, and patience: a test whose subject is a time limit sets it."""
    return {
        "environment": "development",
        "redis_url": redis_url,
        "redis_timeout_s": PATIENCE_S,
        "minio_endpoint": s3.endpoint,
        "minio_access_key": s3.access_key,
        "minio_secret_key": s3.secret_key,
        "minio_bucket": s3.bucket,
        "api_key_pepper": PEPPER,
        "metrics_public": True,
    }


def settings_for(redis_url: str, s3: S3Server, **changes: Any) -> Settings:
    """Settings that no `.env` file decides."""
    return Settings(_env_file=None, **(values_for(redis_url, s3) | changes))


@dataclass(frozen=True)
class Api:
    """The application in this process: a client without a credential, and ways to get one."""

    resources: Resources
    http: httpx.AsyncClient

    async def key(self, plan: str = "free", scopes: frozenset[str] = DEFAULT_SCOPES, **overrides: int | None) -> str:
        """The secret of a new user's key."""
        store = self.resources.cells.shared
        count = await store.call("ZCARD", store.keys.users)
        user = await create_user(store, f"user{count}@example.com", plan, overrides)
        _, secret = await create_api_key(
            store, PEPPER.encode(), user_id=user.id, name="test", scopes=scopes, lives_s=86_400
        )
        return secret

    async def admin(self) -> dict[str, str]:
        """The headers of an admin."""
        return bearer(await self.key("internal", frozenset({"admin"})))


@dataclass(frozen=True)
class ApiProcess:
    """The API in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def stop(self, within_s: float = PATIENCE_S) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines()]


@contextmanager
def api_process(folder: Path, redis_url: str, s3: S3Server, **changes: Any) -> Iterator[ApiProcess]:
    """Start the API on a free port and wait until it listens; it is killed at the end if it is still there."""
    values = values_for(redis_url, s3) | {"port": 0} | changes
    log = folder / "api.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE], cwd=folder, env=environment_of(values), stderr=stderr
        )
    try:
        yield ApiProcess(_address_in(log, process), process, log)
    finally:
        process.kill()
        process.wait()


def _address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """uvicorn tells the port that it got."""

    def told() -> str:
        assert process.poll() is None, log.read_text()
        _, _, rest = log.read_text().partition("running on ")
        return rest.partition(" ")[0] if " (Press" in rest else ""

    eventually(told)
    return told()


def environment_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a process that is told these settings and nothing of ours."""
    given = {name.upper(): str(value) for name, value in values.items()}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **given}
