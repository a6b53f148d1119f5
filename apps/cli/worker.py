"""`arqade worker`: one worker process."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from apps.cli.configuration import env_file_option, load_settings

__all__ = ["worker"]


@click.command()
@click.option("--queues", help="Which queues to work on, such as gpu,cpu.  [WORKER_QUEUES]")
@env_file_option
def worker(queues: str | None, env_file: Path | None) -> None:
    """Run jobs, configured by the environment alone; SIGTERM lets them finish."""
    settings = load_settings(env_file, {"worker_queues": queues})
    from apps.worker.main import serve  # noqa: PLC0415  # what it needs is wanted by no other command

    sys.exit(serve(settings, tuple(settings.worker_queues)))
