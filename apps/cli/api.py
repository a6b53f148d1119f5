"""`arqade api`: one API process."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from apps.cli.configuration import env_file_option, load_settings

__all__ = ["api"]


@click.command()
@env_file_option
def api(env_file: Path | None) -> None:
    """Serve the HTTP API, configured by the environment alone."""
    settings = load_settings(env_file)
    from apps.api.main import serve  # noqa: PLC0415  # what it needs is wanted by no other command

    sys.exit(serve(settings))
