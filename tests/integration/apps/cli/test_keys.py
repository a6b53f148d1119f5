from __future__ import annotations

from pathlib import Path

import pytest

from libs.access.api_key import well_formed
from tests.servers import RedisServer
from tests.system import run_arqade


@pytest.fixture
def environment(valkey: RedisServer) -> dict[str, str]:
    return {"REDIS_URL": valkey.url, "API_KEY_PEPPER": "a pepper that is long enough to be one"}


def test_the_first_admin_key_is_made_once(tmp_path: Path, environment: dict[str, str]) -> None:
    first = run_arqade(tmp_path, "keys", "bootstrap", environment=environment)
    assert first.returncode == 0, first.stderr
    assert well_formed(first.stdout.strip())
    second = run_arqade(tmp_path, "keys", "bootstrap", environment=environment)
    assert second.returncode == 1
    assert second.stdout == ""
    assert "There are users already" in second.stderr


def test_kept_in_a_file_it_can_be_asked_for_again(tmp_path: Path, environment: dict[str, str]) -> None:
    for _ in range(2):
        done = run_arqade(tmp_path, "keys", "bootstrap", "--file", "admin.key", environment=environment)
        assert (done.returncode, done.stdout) == (0, "admin.key\n"), done.stderr
    assert well_formed((tmp_path / "admin.key").read_text().strip())
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_minted_listed_without_its_secret_and_revoked(tmp_path: Path, environment: dict[str, str]) -> None:
    run_arqade(tmp_path, "keys", "bootstrap", "--email", "ada@example.com", environment=environment)
    made = run_arqade(
        tmp_path, "keys", "create", "Ada@example.com", "--scope", "jobs:read", "--days", "30", environment=environment
    )
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    listed = run_arqade(tmp_path, "keys", "list", environment=environment)
    assert secret not in listed.stdout
    (row,) = [line for line in listed.stdout.splitlines() if "jobs:read" in line]
    assert f"{secret[:12]}…{secret[-4:]}" in row
    revoked = run_arqade(tmp_path, "keys", "revoke", row.split()[0], environment=environment)
    assert revoked.returncode == 0, revoked.stderr
    assert "is revoked" in revoked.stdout


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("create", "nobody@example.com"), "There is no user nobody@example.com"),
        (("create", "usr_x"), "There is no user usr_x"),
        (("revoke", "apikey_x"), "There is no api key apikey_x"),
    ],
)
def test_what_is_not_there_is_one_line(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], line: str
) -> None:
    refused = run_arqade(tmp_path, "keys", *arguments, environment=environment)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [f"Error: not_found: {line}"]


def test_without_a_pepper_no_key_is_made(tmp_path: Path, environment: dict[str, str]) -> None:
    refused = run_arqade(tmp_path, "keys", "bootstrap", environment={**environment, "API_KEY_PEPPER": "short"})
    assert refused.returncode == 1
    assert "API_KEY_PEPPER must be at least 32 characters" in refused.stderr


def test_with_redis_away_it_says_so(tmp_path: Path, environment: dict[str, str]) -> None:
    away = run_arqade(tmp_path, "keys", "list", environment={**environment, "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert away.returncode == 1
    assert "redis" in away.stderr
    assert "Traceback" not in away.stderr
