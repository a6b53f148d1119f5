"""Everything that the OpenAPI document promises, asked of the API by schemathesis with all of its checks.

How many examples an operation gets goes by the profile (tests/run/profiles.py), or by `SCHEMATHESIS_EXAMPLES`. They are
the same in every run of one version, which fails always or never; `make faults` asks other things each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key
from libs.access.users import create_user
from libs.store.client import Store
from tests.fakes.api import PEPPER, ApiProcess, api_process
from tests.fakes.customers import JOBS, Customer
from tests.patience import PATIENCE_S
from tests.run.profiles import examples
from tests.run.promises import FULL_SIZE
from tests.servers import RedisServer, S3Server

_EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", min(examples(0.25), 500)))
_SEED = () if FULL_SIZE else ("--seed", "20")
_FOLDER = Path(__file__).parent
_CONFIG = _FOLDER / "schemathesis.toml"
_WITHIN_S = 7_200 if FULL_SIZE else 600

pytestmark = [pytest.mark.hypothesis, pytest.mark.timeout(_WITHIN_S)]


@pytest.fixture
def api_alone(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> Iterator[ApiProcess]:
    """An API that holds nobody back, so that every request gets past its limits."""
    with api_process(
        tmp_path, valkey.url, s3, fleet_ceiling_per_minute=1_000_000, trusted_proxies="127.0.0.1"
    ) as started:
        yield started


async def key(store: Store, scopes: frozenset[str]) -> str:
    user = await create_user(store, f"{len(scopes)}@example.com", "internal", {"uploads_per_minute": 1_000_000})
    _, secret = await create_api_key(
        store, PEPPER.encode(), user_id=user.id, name="schemathesis", scopes=scopes, lives_s=3_600
    )
    return secret


async def finished_job(api: ApiProcess, secret: str) -> str:
    """A stream follows its job to the end, and here nobody runs any: this one has ended."""
    async with httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S) as http:
        someone = Customer(http, secret)
        job = await someone.job()
        await someone.delete(f"{JOBS}/{job['id']}")
    return str(job["id"])


def run(api: ApiProcess, secret: str, folder: Path, *more: str, job: str = "") -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", f"{api.url}/openapi.json"),
        *("--checks", "all", "--max-examples", str(_EXAMPLES), *_SEED, "--phases", "examples,coverage,fuzzing"),
        *("--header", f"Authorization: Bearer {secret}", "--header", "Prefer: respond-async"),
        *(
            "--max-redirects",
            "0",
            "--request-timeout",
            "30",
            "--generation-database",
            "none",
            "--no-color",
            "--generation-with-security-parameters",
            "false",
        ),
        *("--continue-on-failure", "--workers", "2", *more),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(_FOLDER), "SCHEMATHESIS_JOB": job}
    environment = {**os.environ, **hooks}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_WITHIN_S
    )


async def test_a_caller_gets_nothing_that_the_document_does_not_tell_of(
    api_alone: ApiProcess, store: Store, tmp_path: Path
) -> None:
    secret = await key(store, DEFAULT_SCOPES)
    job = await finished_job(api_alone, secret)
    found = run(api_alone, secret, tmp_path, "--exclude-path-regex", "^/admin/", job=job)
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]


async def test_an_admin_gets_nothing_that_the_document_does_not_tell_of(
    api_alone: ApiProcess, store: Store, tmp_path: Path
) -> None:
    secret = await key(store, DEFAULT_SCOPES | {"admin"})
    found = run(api_alone, secret, tmp_path, "--include-path-regex", "^/admin/")
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
