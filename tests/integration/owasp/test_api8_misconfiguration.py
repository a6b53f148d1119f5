"""API8:2023 Security misconfiguration.

Proven elsewhere: every row of what refuses to start (unit/apps/test_settings.py, unit/apps/api/test_main.py); no
default secret in any deployment file and containers without privileges (contract/test_deploy.py); headers of every
answer (apps/api/test_requests.py); no secret in any log (test_secret_canary.py). Here: the process as it is started:
refusals end it, and nothing switches a debug mode on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.api.routes import ROUTES
from tests.fakes.api import Api, api_process, bearer, environment_of, values_for
from tests.fakes.customers import customer_of
from tests.integration.owasp.conftest import MakeApi
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server

PRODUCTION = {"environment": "production", "port": 0}
REFUSED = 2


@pytest.mark.parametrize("part", ["api", "worker"])
@pytest.mark.parametrize(
    "changes, named",
    [
        ({"api_key_pepper": ""}, "API_KEY_PEPPER"),
        ({"minio_secret_key": "minioadmin"}, "MINIO_SECRET_KEY"),
        ({"redis_url": "redis://redis.internal:6379/0"}, "REDIS_URL"),
        ({"auth_enabled": "false"}, "AUTH_ENABLED"),
    ],
)
def test_an_unsafe_process_ends_at_once_and_says_what_to_set(
    tmp_path: Path, valkey: RedisServer, s3: S3Server, part: str, changes: dict[str, Any], named: str
) -> None:
    environment = environment_of(values_for(valkey.url, s3) | PRODUCTION | changes)
    command = [sys.executable, "-P", "-m", "apps.cli.main", part]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == REFUSED, ended.stderr
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_there_is_no_debug_mode_to_forget(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    with api_process(tmp_path, valkey.url, s3, debug="true", starlette_debug="1", uvicorn_reload="1") as api:
        for path in ("/nowhere", "/api/v1/jobs/%00", "/debug", "/debug/pprof", "/.env", "/.git/config", "/console"):
            answer = httpx.get(api.url + path, timeout=PATIENCE_S)
            assert answer.status_code in (401, 404)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_every_answer_is_closed_to_other_origins_and_to_sniffing(api: Api) -> None:
    headers = bearer((await customer_of(api)).secret) | {"Origin": "https://evil.example"}
    for route in ROUTES:
        answer = await api.http.request(route.method, route.path, json={}, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_an_origin_that_is_let_in_sends_no_cookies(make_api: MakeApi) -> None:
    api = await make_api(cors_origins="https://ours.example")
    for origin, let_in in (("https://ours.example", True), ("https://evil.example", False), ("null", False)):
        answer = await api.http.get("/ping", headers={"Origin": origin})
        assert (answer.headers.get("access-control-allow-origin") == origin) is let_in
        assert "access-control-allow-credentials" not in answer.headers
