"""`arqade reconcile`, as an operator reads it after a restore. What it does is tests/faults/test_f22_restored.py's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from subprocess import CompletedProcess

from libs.access.users import create_user
from libs.artifacts.names import artifact_name, attempt_prefix
from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.client import Store
from tests.fakes.history import own_bucket
from tests.servers import RedisServer, S3Server
from tests.system import run_arqade


async def test_it_tells_what_was_lost_a_line_each_and_changes_nothing_of_the_bucket(
    tmp_path: Path, store: Store, valkey: RedisServer, s3: S3Server
) -> None:
    async with own_bucket(s3) as objects:
        environment = environment_of(valkey, s3, objects)
        whole = await arqade(tmp_path, environment)
        assert (whole.returncode, whole.stdout) == (0, "")
        assert whole.stderr == "looked at 0 jobs in Redis and 0 objects\n"
        user, stranger = await create_user(store, "ada@example.com", "free"), new_id("usr")
        for user_id in (user.id, user.id, stranger):
            prefix = attempt_prefix(user_id, new_id("job"), 1_700_000_000_000, 1)
            for index in range(2):
                await objects.put(artifact_name(prefix, index, "0" * 64, "png"), b"x", "image/png")
        lost = await arqade(tmp_path, environment, "--look")
        assert lost.returncode == 1
        assert lost.stdout.splitlines() == [f"lost: 2 jobs of {user.id}", f"unknown user: {stranger}, 2 objects"]
        assert lost.stderr == "looked at 0 jobs in Redis and 6 objects\n"
        assert len(await objects.list("usr_")) == 6


async def test_without_the_bucket_it_says_what_to_check(tmp_path: Path, valkey: RedisServer) -> None:
    away = await arqade(tmp_path, {"REDIS_URL": valkey.url, "MINIO_ENDPOINT": "127.0.0.1:1"})
    assert away.returncode == 1
    assert "check REDIS_URL and the MINIO_ settings, and run it again" in away.stderr


async def arqade(folder: Path, environment: dict[str, str], *more: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(run_arqade, folder, "reconcile", *more, environment=environment)


def environment_of(valkey: RedisServer, s3: S3Server, objects: Objects) -> dict[str, str]:
    return {
        "REDIS_URL": valkey.url,
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
        "MINIO_BUCKET": objects.bucket,
    }
