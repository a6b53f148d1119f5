from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from tests.fakes.processes import eventually, processes_in
from tests.patience import PATIENCE_S
from tests.system import Command, arqade, run_arqade

INFRA = ("infra", "--data-dir", "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A long path with spaces in it."""
    deep = tmp_path / "a folder with spaces" / ("long " * 20).strip() / ("longer " * 12).strip()
    deep.mkdir(parents=True)
    return deep


def settings_of(command: Command) -> dict[str, str]:
    command.wait_for_line("MINIO_PUBLIC_ENDPOINT=")
    return dict(line.split("=", 1) for line in command.out.read_text().splitlines())


def redis_says(settings: dict[str, str], *commands: str) -> str:
    password, _, address = settings["REDIS_URL"].removeprefix("redis://:").partition("@")
    port = int(address.partition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall("\r\n".join([f"AUTH {password}", *commands, "QUIT", ""]).encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode().removeprefix("+OK\r\n")


def test_prints_settings_that_reach_the_servers_and_ends_them_in_order(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        settings = settings_of(command)
        assert set(settings) >= {"REDIS_URL", "MINIO_ENDPOINT", "MINIO_SECRET_KEY", "API_KEY_PEPPER", "COMFYUI_URL"}
        assert redis_says(settings, "CONFIG GET maxmemory-policy").endswith("noeviction\r\n+OK\r\n")
        command.signal(signal.SIGTERM)
        assert command.ended() == 0
    assert processes_in(folder) == {}
    assert "Valkey is now ready to exit" in (folder / "data/logs/valkey.log").read_text()


def test_redis_wants_the_password(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        settings = settings_of(command)
        wrong = {"REDIS_URL": settings["REDIS_URL"].replace("redis://:", "redis://:x")}
        assert "NOAUTH" in redis_says(wrong, "PING")


def test_killed_it_leaves_no_process_and_starts_again_with_the_same_data(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        before = settings_of(command)
        assert "+OK" in redis_says(before, "SET kept yes")
        command.signal(signal.SIGKILL)
        command.ended()
        eventually(lambda: not processes_in(folder))
    with arqade(folder, *INFRA) as command:
        after = settings_of(command)
        assert after == before
        assert redis_says(after, "GET kept").startswith("$3\r\nyes")


def test_a_second_one_on_the_same_folder_is_refused_and_harms_nothing(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        settings = settings_of(command)
        second = run_arqade(folder, *INFRA)
        assert second.returncode == 1
        assert second.stderr.splitlines() == [
            f"Error: the data folder {folder}/data is in use by process {command.process.pid}"
        ]
        assert second.stdout == ""
        assert "+PONG" in redis_says(settings, "PING")


def test_a_server_that_dies_is_started_again(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        settings = settings_of(command)
        redis_says(settings, "SET kept yes")
        os.kill(int((folder / "data/run/valkey.pid").read_text().split()[0]), signal.SIGKILL)
        eventually(lambda: "valkey ended with status -9 and starts again" in command.said)
        eventually(lambda: answers(settings))
        assert redis_says(settings, "GET kept").startswith("$3\r\nyes")


def answers(settings: dict[str, str]) -> bool:
    try:
        return "+PONG" in redis_says(settings, "PING")
    except OSError:
        return False


@pytest.mark.parametrize("seconds", [0.0, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_any_moment_of_its_start_it_leaves_no_process(
    folder: Path, number: signal.Signals, seconds: float
) -> None:
    with arqade(folder, *INFRA) as command:
        with suppress(TimeoutExpired):
            command.process.wait(seconds)
        command.signal(number)
        command.ended(within_s=15)
        eventually(lambda: not processes_in(folder))


def test_secrets_can_be_read_by_their_owner_alone(folder: Path) -> None:
    with arqade(folder, *INFRA) as command:
        settings_of(command)
        data = folder / "data"
        assert data.stat().st_mode & 0o777 == 0o700
        for name in ("secrets.json", "settings.env", "valkey/valkey.conf"):
            assert (data / name).stat().st_mode & 0o777 == 0o600


def test_a_folder_of_somebody_elses_files_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data").chmod(0o755)
    (folder / "data/thesis.txt").write_text("mine")
    refused = run_arqade(folder, *INFRA)
    assert refused.returncode == 1
    assert "neither empty nor a data folder" in refused.stderr
    assert [entry.name for entry in (folder / "data").iterdir()] == ["thesis.txt"]
    assert (folder / "data").stat().st_mode & 0o777 == 0o755
