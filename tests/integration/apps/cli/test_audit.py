from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.history import own_bucket
from tests.servers import RedisServer, S3Server
from tests.system import run_arqade


async def new_bucket(s3: S3Server) -> str:
    async with own_bucket(s3) as objects:
        return objects.bucket


@pytest.fixture
def environment(valkey: RedisServer, s3: S3Server) -> dict[str, str]:
    """With a bucket of its own: the shared one may hold the anchor of another log."""
    return {
        "MINIO_BUCKET": asyncio.run(new_bucket(s3)),
        "REDIS_URL": valkey.url,
        "API_KEY_PEPPER": "a pepper that is long enough to be one",
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
    }


def test_the_log_of_the_command_lines_own_acts_holds(tmp_path: Path, environment: dict[str, str]) -> None:
    empty = run_arqade(tmp_path, "audit", "verify", environment=environment)
    assert (empty.returncode, empty.stdout, empty.stderr) == (0, "", "no entries\n")
    run_arqade(tmp_path, "keys", "bootstrap", environment=environment)
    first = run_arqade(tmp_path, "audit", "verify", environment=environment)
    assert first.returncode == 0, first.stderr
    assert first.stderr == "2 entries are as they were written\n"
    number, _, digest = first.stdout.strip().partition(":")
    assert (number, len(digest)) == ("2", 64)
    run_arqade(tmp_path, "keys", "create", "admin@localhost", environment=environment)
    later = run_arqade(tmp_path, "audit", "verify", "--noted", first.stdout.strip(), environment=environment)
    assert (later.returncode, later.stdout.partition(":")[0]) == (0, "3"), later.stderr


def test_a_log_that_was_changed_is_said_to_be(tmp_path: Path, environment: dict[str, str], valkey: RedisServer) -> None:
    run_arqade(tmp_path, "keys", "bootstrap", environment=environment)
    noted = run_arqade(tmp_path, "audit", "verify", environment=environment).stdout.strip()
    valkey.call("DEL", "arqade:audit")
    broken = run_arqade(tmp_path, "audit", "verify", "--noted", noted, environment=environment)
    assert broken.returncode == 1
    assert broken.stderr == "Error: the audit log was tampered with: entry 2 is gone\n"
    odd = run_arqade(tmp_path, "audit", "verify", "--noted", "2", environment=environment)
    assert odd.returncode == 2
    assert "NUMBER:HASH" in odd.stderr
