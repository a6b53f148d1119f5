"""The strict object store: OpenStack Swift with its S3 API, from an environment of its own that `make strict-s3` makes.

It checks signatures and bodies to the letter, has access lists, and takes no part that is too small: what the embedded
server lets pass shows here.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from libs.embedded.part import MINIMAL_ENVIRONMENT, Part
from libs.embedded.ports import Ports
from libs.embedded.process import Child, start_child
from tests.fakes.parts import need
from tests.servers import S3Server, running

__all__ = ["strict_server"]

_ROOT = Path(__file__).parent.parent
_PYTHON = _ROOT / ".venv-swift" / "bin" / "python"
_USER = "test:tester"
_START_S = 120.0


@contextmanager
def strict_server(folder: Path) -> Iterator[S3Server]:
    """Start one with nothing in it; a test without the environment skips."""
    need("the strict object store", found=_PYTHON.exists(), how="make strict-s3 (OpenStack Swift, by pip, in a minute)")
    port, secret = Ports(folder / "ports.json").port_for("strict"), secrets.token_hex(20)
    part = Part(
        name="strict object store",
        spawn=lambda: _spawn(folder, port, secret),
        answers=lambda: _listens(port),
        start_timeout_s=_START_S,
    )
    with running(part) as child:
        yield S3Server(f"127.0.0.1:{port}", _USER, secret, "arqade", folder, part, child)


def _spawn(folder: Path, port: int, secret: str) -> Child:
    program = str(_ROOT / "tests" / "fakes" / "swift_server.py")
    return start_child(
        "strict",
        [str(_PYTHON), program, str(folder / "swift"), str(port), _USER],
        log=folder / "strict.log",
        environment={**MINIMAL_ENVIRONMENT, "SECRET": secret},
        folder=folder,
        pid_file=folder / "strict.pid",
    )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
