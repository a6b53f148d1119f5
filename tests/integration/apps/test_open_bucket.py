"""A bucket that anybody may list, write or read: no process starts on it, and doctor says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.libs.artifacts.test_openness import open_store
from tests.servers import RedisServer
from tests.system import run_arqade

CLOSES = "mc anonymous set none ALIAS/arqade"


@pytest.fixture
def environment(valkey: RedisServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "store").mkdir()
    with open_store(tmp_path / "store") as endpoint:
        yield {
            "REDIS_URL": valkey.url,
            "API_KEY_PEPPER": "a pepper that is long enough to be one",
            "MINIO_ENDPOINT": endpoint,
            "MINIO_ACCESS_KEY": "access",
            "MINIO_SECRET_KEY": "a secret of the store",
            "PORT": "1",
        }


@pytest.mark.parametrize("process", ["api", "worker"])
def test_no_process_starts_on_an_open_bucket(environment: dict[str, str], tmp_path: Path, process: str) -> None:
    done = run_arqade(tmp_path, process, environment=environment)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"arqade {process}: anybody may ")]
    assert [line.split()[4] for line in lines] == ["list", "write", "read"]
    assert all(CLOSES in line for line in lines)
    assert ["MINIO_BUCKET_PUBLIC_READ" in line for line in lines] == [False, False, True]


def test_a_setting_lets_it_be_read_and_nothing_else(environment: dict[str, str], tmp_path: Path) -> None:
    done = run_arqade(tmp_path, "worker", environment={**environment, "MINIO_BUCKET_PUBLIC_READ": "true"})
    assert done.returncode == 2
    assert "anybody may read" not in done.stderr
    assert "anybody may write" in done.stderr


@pytest.mark.parametrize("where, mark", [("production", "✗"), ("development", "!")])
def test_doctor_says_so(environment: dict[str, str], tmp_path: Path, where: str, mark: str) -> None:
    done = run_arqade(tmp_path, "doctor", environment={**environment, "ENVIRONMENT": where})
    said = " ".join(done.stdout.split())
    for act in ("list", "write", "read"):
        assert f"{mark} objects anybody may {act} the bucket arqade" in said
