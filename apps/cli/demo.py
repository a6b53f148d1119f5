"""`arqade demo`: from nothing to two finished jobs, on real parts."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from apps.cli import screen
from apps.cli.demo_walk import walk
from apps.cli.parts import own_environment
from libs.embedded.part import Part, wait_until_answering
from libs.embedded.process import Child, start_child

__all__ = ["demo"]

_GRACE_S = 2.0
_INTERRUPTED = 130


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the system's data here.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="arqade-demo",
    show_default=True,
    help="Where the picture and the text are saved.",
)
def demo(data_dir: Path | None, out: Path) -> None:
    """Start everything, read a scanned page and draw a picture, show how to do the same by hand."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arqade-demo-")))
            data = data_dir or scratch / "data"
            with screen.console.status("starting Valkey, the object store, the API and a worker"):
                url = stack.enter_context(_system(data, scratch / "up.log"))
            asyncio.run(walk(url, (data / "admin.key").read_text().strip(), out))
    except KeyboardInterrupt:
        screen.say("interrupted; everything is stopped")
        sys.exit(_INTERRUPTED)


@contextmanager
def _system(data: Path, log: Path) -> Iterator[str]:
    """What `arqade up` starts, while inside; gives the API's URL."""

    def spawn() -> Child:
        return start_child(
            "arqade up",
            [sys.executable, "-P", "-m", "apps.cli.main", "up", "--port", "0", "--data-dir", str(data)],
            log=log,
            environment=own_environment({"DRAIN_GRACE_S": str(_GRACE_S)}),
        )

    part = Part("arqade up", spawn, lambda: _ready_url(log) is not None, start_timeout_s=60.0, grace_s=4 * _GRACE_S)
    child = part.spawn()
    try:
        wait_until_answering(part, child)
        yield _ready_url(log) or ""
    finally:
        child.stop(part.grace_s)


def _ready_url(log: Path) -> str | None:
    """The URL in the line that `arqade up` prints when it is ready."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith('{"event": "ready"'):
            return str(json.loads(line)["url"])
    return None
