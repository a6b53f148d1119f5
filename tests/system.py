"""`arqade` as a user runs it: the command in a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

from libs.embedded.process import tied_to_us
from tests.fakes.processes import eventually
from tests.patience import PATIENCE_S

__all__ = ["START_S", "Command", "System", "arqade", "run_arqade", "running_system"]

_ROOT = Path(__file__).parents[1]
START_S = 2 * PATIENCE_S  # many processes, one after the other
_STOP_S = PATIENCE_S


@dataclass(frozen=True)
class Command:
    """A running `arqade …`; what it prints goes into two files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within_s: float = _STOP_S) -> int:
        return self.process.wait(within_s)

    def wait_for_line(self, start: str, within_s: float = START_S) -> str:
        """The first line on stdout that starts so; fails when the command ends without it."""

        def found() -> str:
            lines = [line for line in self.out.read_text().splitlines() if line.startswith(start)]
            assert lines or self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said}"
            return lines[0] if lines else ""

        eventually(found, within_s=within_s)
        return found()


@dataclass(frozen=True)
class System:
    """A running `arqade up`."""

    url: str
    admin_key: str
    data: Path
    command: Command

    def mint_api_key(self, role: str = "INTERNAL") -> str:
        """The api key of a user who was made for it."""
        email = f"user-{uuid.uuid4().hex}@example.com"
        user = self.admin("POST", "/admin/users", {"email": email, "role": role})
        minted = self.admin("POST", "/admin/api-keys", {"user_id": user["id"], "name": "test"})
        return str(minted["api_key"])

    def admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call with the admin's key."""
        return self.call(self.admin_key, method, path, body)

    def call(self, api_key: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call; raises urllib's HTTPError on a refusal."""
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data=data, headers=headers, method=method), timeout=70) as answer:
            return cast("dict[str, Any]", json.load(answer))


@contextmanager
def arqade(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Command]:
    """Run a command in the background, in `folder`; it is killed at the end if it is still there."""
    out, err = folder / f"out-{uuid.uuid4().hex}", folder / f"err-{uuid.uuid4().hex}"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            _command(arguments), cwd=folder, env=_environment(environment), stdout=stdout, stderr=stderr
        )
    try:
        yield Command(process, out, err)
    finally:
        process.kill()
        process.wait()


def run_arqade(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        _command(arguments),
        cwd=folder,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@contextmanager
def running_system(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[System]:
    """`arqade up` until it is ready, and its orderly end."""
    up = ("up", "--port", "0", "--data-dir", "data", *arguments)
    with arqade(folder, *up, environment=environment) as command:
        url = json.loads(command.wait_for_line('{"event": "ready"'))["url"]
        yield System(url, (folder / "data" / "admin.key").read_text().strip(), folder / "data", command)
        if command.process.poll() is None:
            command.signal(signal.SIGTERM)
            assert command.ended() == 0, command.said


def _command(arguments: tuple[str, ...]) -> list[str]:
    return tied_to_us([sys.executable, "-P", "-m", "apps.cli.main", *arguments])


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """A bare one: what the developer's shell sets must not decide what a test finds."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(_ROOT),
        "REDIS_TIMEOUT_S": str(PATIENCE_S),
        **(more or {}),
    }
