"""What people see, on stderr: stdout belongs to programs."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apps.resources import configured_backends
from apps.settings import Settings

__all__ = ["console", "say", "say_of", "shell_path", "show_system", "show_table"]

console = Console(stderr=True, highlight=False)

_LABEL_WIDTH = 11
_WIDTH_OF_A_FILE = 400


def say(line: str) -> None:
    """One line, marked as ours."""
    console.print(Text.assemble(("arqade  ", "bold cyan"), line), soft_wrap=True)


def say_of(name: str, line: str) -> None:
    """One line of another process."""
    console.print(Text.assemble((f"{name:<{_LABEL_WIDTH}} ", "dim"), line), soft_wrap=True)


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
        console.print(Text.assemble((f"  {label:<{_LABEL_WIDTH}}", "dim"), text), soft_wrap=True)
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


def show_table(table: Table) -> None:
    """A table that was asked for, on stdout; a row is a line where no terminal sets a width."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=_WIDTH_OF_A_FILE)
    out.print(table)


def shell_path(path: Path) -> str:
    """A path as one would type it: relative where that is shorter, quoted where a shell needs it."""
    relative = Path(os.path.relpath(path))
    return shlex.quote(str(relative if len(str(relative)) < len(str(path)) else path))
