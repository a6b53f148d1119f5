from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.processes import say
from tests.fakes.api import api_process
from tests.fakes.parts import need
from tests.fakes.processes import eventually
from tests.integration.libs.store.redis_process import FLAVOURS, RedisProcess, binary_of, running
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server
from tests.system import System, run_arqade


@pytest.fixture
def environment(valkey: RedisServer, s3: S3Server) -> dict[str, str]:
    return {
        "REDIS_URL": valkey.url,
        "API_KEY_PEPPER": "a pepper that is long enough to be one",
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
        "MINIO_BUCKET": s3.bucket,
        "PORT": "1",
    }


def test_a_running_system_is_found_well(system: System, tmp_path: Path) -> None:
    settings = str((system.data / "settings.env").absolute())
    port = system.url.rpartition(":")[2]
    done = run_arqade(tmp_path, "doctor", "--env-file", settings, environment={"PORT": port})
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    assert "!" not in done.stdout
    assert "presigned URLs work" in done.stdout


def test_what_is_missing_but_keeps_nobody_from_serving_is_a_warning(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = run_arqade(tmp_path, "doctor", environment=environment)
    assert done.returncode == 0, done.stdout
    assert "COMFYUI_URL is not set" in done.stdout
    assert "there is no user yet: arqade keys bootstrap" in done.stdout
    assert "nothing answers at http://127.0.0.1:1" in done.stdout


def test_a_redis_that_evicts_is_refused(tmp_path: Path, valkey: RedisServer, environment: dict[str, str]) -> None:
    valkey.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        done = run_arqade(tmp_path, "doctor", environment=environment)
    finally:
        valkey.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert done.returncode == 1
    assert "set maxmemory-policy noeviction" in done.stdout


@pytest.mark.parametrize(
    "wrong, line",
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "check REDIS_URL"),
        ({"REDIS_URL": "nonsense"}, "check REDIS_URL"),
        ({"MINIO_ENDPOINT": "127.0.0.1:1"}, "check MINIO_ENDPOINT 127.0.0.1:1"),
        ({"MINIO_SECRET_KEY": "a wrong one"}, "check MINIO_ACCESS_KEY and MINIO_SECRET_KEY"),
        ({"MINIO_BUCKET": "Not A Bucket"}, "check the MINIO_ settings"),
        ({"API_KEY_PEPPER": ""}, "API_KEY_PEPPER must be"),
        ({"AUTH_ENABLED": "false"}, "AUTH_ENABLED and RATE_LIMIT_ENABLED may be false only with"),
    ],
)
def test_what_would_keep_it_from_serving_is_told_with_what_to_do(
    tmp_path: Path, environment: dict[str, str], wrong: dict[str, str], line: str
) -> None:
    done = run_arqade(tmp_path, "doctor", environment={**environment, **wrong})
    assert done.returncode == 1, done.stdout
    assert line in done.stdout
    assert "Traceback" not in done.stderr


def test_a_public_address_that_does_not_answer_is_a_warning(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run_arqade(tmp_path, "doctor", environment={**environment, "MINIO_PUBLIC_ENDPOINT": "127.0.0.1:1"})
    assert done.returncode == 0
    assert "check MINIO_PUBLIC_ENDPOINT" in done.stdout


def test_it_tells_no_secret(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run_arqade(tmp_path, "doctor", environment=environment)
    secrets = (environment["API_KEY_PEPPER"], environment["MINIO_SECRET_KEY"], environment["REDIS_URL"].split("@")[0])
    assert not [secret for secret in secrets if secret in done.stdout + done.stderr]


@pytest.fixture(params=FLAVOURS)
def own_redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisProcess]:
    need(request.param, found=binary_of(request.param) is not None, how="apt-get install redis-server")
    with running(request.param, tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    "setting, found, remedy",
    [
        (("maxmemory", "100kb"), "out of memory", "raise maxmemory"),
        (("min-replicas-to-write", "1"), "too few replicas", "bring its replicas back"),
    ],
)
def test_a_redis_that_answers_and_could_not_work_is_bad(
    tmp_path: Path,
    environment: dict[str, str],
    own_redis: RedisProcess,
    setting: tuple[str, str],
    found: str,
    remedy: str,
) -> None:
    told = {**environment, "REDIS_URL": own_redis.url}
    assert run_arqade(tmp_path, "doctor", environment=told).returncode == 0
    asyncio.run(command(own_redis.url, "CONFIG", "SET", *setting))
    done = run_arqade(tmp_path, "doctor", environment=told)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout
    assert found in said
    assert remedy in said


def test_what_processes_say_of_themselves_is_told(
    tmp_path: Path, valkey: RedisServer, environment: dict[str, str]
) -> None:
    asyncio.run(say_of(valkey.url, "process_1", {"role": "api", "untrusted_proxy": "10.0.0.7"}))
    asyncio.run(say_of(valkey.url, "process_2", {"role": "worker"}))
    done = run_arqade(tmp_path, "doctor", environment=environment)
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout
    assert "10.0.0.7 sends X-Forwarded-For and is not trusted" in said
    assert "name it in TRUSTED_PROXIES" in said
    assert "1 api, 1 worker, heard within" in said


def test_an_api_that_found_redis_full_is_told_with_its_age(
    tmp_path: Path, own_redis: RedisProcess, s3: S3Server, environment: dict[str, str]
) -> None:
    with api_process(tmp_path, own_redis.url, s3) as api:
        asyncio.run(command(own_redis.url, "CONFIG", "SET", "maxmemory", "100kb"))
        eventually(lambda: httpx.get(api.url + "/health", timeout=PATIENCE_S).json()["checks"]["redis"] == "full")
        told = {**environment, "REDIS_URL": own_redis.url, "PORT": str(api.address[1])}
        done = run_arqade(tmp_path, "doctor", environment=told)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert f"{api.url} found redis full" in said
    assert "s ago" in said


async def command(url: str, *words: str) -> None:
    store = await Store.open(url, Keyspace.with_prefix("arqade"))
    await store.call(*words)
    await store.close()


async def say_of(url: str, process: str, words: dict[str, str]) -> None:
    store = await Store.open(url, Keyspace.with_prefix("arqade"))
    await say(store, process, words)
    await store.close()
