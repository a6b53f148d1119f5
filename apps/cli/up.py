"""`arqade up`: the whole system on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import click

from apps.cli import screen
from apps.cli.configuration import load_settings
from apps.cli.first_key import ensure_admin_key
from apps.cli.infra import settings_lines
from apps.cli.logs import following
from apps.cli.parts import api_part, embedded_parts, public_host, reached_at, settings_for, worker_part
from apps.cli.stop import Stop, Stopped
from apps.cli.summary import show_system
from apps.cli.supervisor import Supervisor
from apps.settings import Settings
from libs.embedded.data_dir import DataDir, write_private
from libs.embedded.ports import authority, why_not
from libs.embedded.process import StartError

__all__ = ["up"]


@click.command()
@click.option("--host", help="Where to listen: the API, and the object store that artifacts come from.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="The API's port; 0 picks a free one.  [8000]")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default="arqade-data", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes.  [1]")
@click.option("--admin-key-file", type=click.Path(path_type=Path, dir_okay=False), help="[DATA-DIR/admin.key]")
@click.option("--comfyui-url", help="A ComfyUI server; without one a labelled stand-in draws test pictures.")
@click.option("--verbose", is_flag=True, help="Show what the processes log.")
def up(  # click passes options by name
    host: str | None,
    port: int | None,
    data_dir: Path,
    workers: int | None,
    admin_key_file: Path | None,
    comfyui_url: str | None,
    verbose: bool,
) -> None:
    """Start everything, say so in one JSON line on stdout, and keep it running.

    SIGTERM or Ctrl-C ends it in order; a second one at once. The data stays.
    """
    settings = load_settings(given={"host": host, "port": port, "workers": workers, "comfyui_url": comfyui_url})
    stop = Stop()
    stop.listen()
    data = DataDir.open(data_dir)
    supervisor = Supervisor(stop, screen.say)
    try:
        with following(data.path / "logs", enabled=verbose):
            system = _start(supervisor, data, settings, admin_key_file or data.admin_key_file)
            click.echo(json.dumps({"event": "ready", "url": system.url}))
            show_system(system.url, system.admin_key_file, data.path, settings)
            supervisor.watch()
    except Stopped:
        screen.say("stopping")
    finally:
        supervisor.end()
        data.close()


@dataclass(frozen=True, slots=True)
class _System:
    url: str
    admin_key_file: Path


def _start(supervisor: Supervisor, data: DataDir, settings: Settings, admin_key_file: Path) -> _System:
    """Servers first, then the first api key, then the processes that use both."""
    secrets = settings.forget_secrets()  # the processes that need them are told them, and forget them too
    port = _api_port(data, settings)
    embedded = embedded_parts(data, settings, host=settings.host)
    told = settings_for(data, settings, embedded, public_host=public_host(settings.host))
    write_private(data.path / "settings.env", settings_lines(told))
    supervisor.start(embedded)
    as_told = load_settings(given={name.lower(): text for name, text in told.items()})
    asyncio.run(ensure_admin_key(as_told, admin_key_file))
    supervisor.start(
        [
            api_part(data, settings, secrets | told, port=port),
            *(worker_part(data, settings, secrets | told, number) for number in range(1, settings.workers + 1)),
        ]
    )
    return _System(f"http://{authority(reached_at(settings.host), port)}", admin_key_file)


def _api_port(data: DataDir, settings: Settings) -> int:
    if settings.port == 0:
        return data.ports.port_for("api", settings.host)
    if reason := why_not(settings.host, settings.port):
        raise StartError(
            f"cannot listen on {authority(settings.host, settings.port)}: {reason}. Name another with --port"
        )
    return settings.port
