"""A real HAProxy before the API, as a deployment has one: what it passes on is what our parser sees."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.embedded.process import tied_to_us
from tests.fakes.parts import need_program

__all__ = ["haproxy"]

_CONFIG = """
global
  maxconn 200
defaults
  mode http
  option forwardfor
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend entry
  bind fd@{descriptor}
  default_backend api
backend api
  server one {host}:{port}
"""


@contextmanager
def haproxy(folder: Path, to: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Start it before an address; yields its own. Connections wait in our socket until it listens."""
    program = need_program("haproxy", how="apt-get install haproxy")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(descriptor=listener.fileno(), host=to[0], port=to[1]))
        command = tied_to_us([program, "-q", "-db", "-f", str(config)])
        with (folder / "haproxy.log").open("wb") as log:
            process = subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=log)
        try:
            host, port = listener.getsockname()
            yield host, port
        finally:
            process.kill()
            process.wait()
