"""The data folder: everything that a system on one machine keeps.

::

    lock          held (flock) by the one process that uses the folder
    secrets.json  passwords and the pepper, made once                       0600
    ports.json    where the embedded servers listen
    admin.key     the first admin api key                                   0600
    valkey/       the append-only file: jobs, users, api keys
    objects/      the bucket: artifacts and uploads
    logs/ run/    what the processes print, and their process ids
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from libs.embedded.ports import Ports
from libs.embedded.process import StartError

__all__ = ["DataDir", "Secrets", "write_private"]

_OURS = frozenset({"lock", "secrets.json"})


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once for a data folder and never changed: the pepper is what its api keys are hashed with."""

    redis_password: str
    s3_access_key: str
    s3_secret_key: str
    api_key_pepper: str


class DataDir:
    """An open data folder. Only one process has it open; `close` lets the next one in."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self.secrets = _secrets(path / "secrets.json")
        self.ports = Ports(path / "ports.json")

    @classmethod
    def open(cls, path: Path) -> DataDir:
        """Make or reuse a folder; raises StartError when it is another's, or in use."""
        path = path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check(path)
            path.chmod(0o700)
            return cls(path, _lock(path / "lock"))
        except OSError as error:
            raise StartError(f"the data folder cannot be used: {error}") from error

    @property
    def admin_key_file(self) -> Path:
        """Where the admin api key is kept unless told otherwise."""
        return self.path / "admin.key"

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.path / "logs" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """Where a process's id is kept while it runs."""
        folder = self.path / "run"
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder / f"{name}.pid"

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all, and see it on the disk."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _check(path: Path) -> None:
    """Refuse a folder that holds somebody's files: we would change who may read it."""
    if path.stat().st_uid != os.geteuid():
        raise StartError(f"the data folder {path} belongs to another user")
    names = {entry.name for entry in path.iterdir()}
    if names and not names & _OURS:
        raise StartError(f"{path} is neither empty nor a data folder of Arqade's: name another with --data-dir")


def _lock(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode().strip()
        os.close(lock)
        raise StartError(f"the data folder {path.parent} is in use by process {holder or '?'}") from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _secrets(path: Path) -> Secrets:
    stored: dict[str, str] = {}
    with suppress(FileNotFoundError):
        try:
            stored = json.loads(path.read_text())
        except ValueError as error:
            raise StartError(f"{path} is damaged: restore it, or use another data folder") from error
    made = asdict(
        Secrets(
            redis_password=secrets.token_hex(24),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
            api_key_pepper=secrets.token_hex(32),
        )
    )
    kept = {name: stored.get(name, value) for name, value in made.items()}
    if kept != stored:
        write_private(path, json.dumps(kept, indent=2) + "\n")
    return Secrets(**kept)
