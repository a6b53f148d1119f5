"""What `arqade up` says once everything is up."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from apps.cli.screen import LABEL_WIDTH, console, shell_path
from apps.resources import configured_backends
from apps.settings import Settings

__all__ = ["show_system"]


def show_system(url: str, admin_key_file: Path, data: Path, settings: Settings) -> None:
    """The summary of `arqade up`: where it is, how to get in, what to try."""
    key_file = shell_path(admin_key_file)
    servers = ", ".join(server.url for server in configured_backends(settings)["comfyui"].servers)
    backend = servers or "the stand-in, which draws test pictures (COMFYUI_URL names a real one)"
    console.print()
    console.print(Text.assemble(("  Arqade is up  ", "bold green"), (url, "bold underline")))
    console.print()
    for label, text in (
        ("admin key", f"{key_file}  (mints all others)"),
        ("ComfyUI", backend),
        ("workers", str(settings.workers)),
        ("data, logs", shell_path(data)),
    ):
        console.print(Text.assemble((f"  {label:<{LABEL_WIDTH}}", "dim"), text), soft_wrap=True)
    console.print()
    console.print(Text("  Try", style="bold"))
    for line in (
        f'curl -s {url}/api/v1/generate -H "Authorization: Bearer $(cat {key_file})" \\',
        "     -H 'Content-Type: application/json' -d '{\"prompt\": \"a lighthouse at dusk\"}'",
    ):
        console.print(Text("  " + line), soft_wrap=True)
    console.print()
    console.print(Text("  Ctrl-C ends it; the data stays.", style="dim"))
    console.print()
