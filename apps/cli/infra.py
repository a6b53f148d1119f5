"""`arqade infra`: the embedded servers alone, for processes that are started by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from apps.cli import screen
from apps.cli.configuration import load_settings
from apps.cli.parts import embedded_parts, settings_for
from apps.cli.stop import Stop, Stopped
from apps.cli.supervisor import Supervisor
from libs.embedded.data_dir import DataDir, write_private

__all__ = ["infra", "settings_lines"]


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default="arqade-data", show_default=True)
@click.option("--comfyui-url", help="A ComfyUI server; without one a labelled stand-in is started.")
def infra(data_dir: Path, comfyui_url: str | None) -> None:
    """Start the embedded servers and print the settings that reach them, ready for a .env file.

    Then `arqade api` and `arqade worker` find them: arqade infra > .env
    """
    settings = load_settings(given={"comfyui_url": comfyui_url})
    settings.forget_secrets()
    stop = Stop()
    stop.listen()
    data = DataDir.open(data_dir)
    supervisor = Supervisor(stop, screen.say)
    try:
        parts = embedded_parts(data, settings, host="127.0.0.1")
        lines = settings_lines(settings_for(data, settings, parts, public_host="127.0.0.1"))
        write_private(data.path / "settings.env", lines)
        supervisor.start(parts)
        click.echo(lines, nl=False)
        screen.say(f"{', '.join(part.name for part in parts)} answer; Ctrl-C ends them, the data stays in {data.path}")
        supervisor.watch()
    except Stopped:
        screen.say("stopping")
    finally:
        supervisor.end()
        data.close()


def settings_lines(told: Mapping[str, str]) -> str:
    """NAME=value, a line each: for a shell, a .env file or systemd alike."""
    return "".join(f"{name}={text}\n" for name, text in told.items())
