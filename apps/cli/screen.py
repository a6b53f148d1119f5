"""What people see, on stderr: stdout belongs to programs."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["LABEL_WIDTH", "console", "say", "say_of", "shell_path", "show_table"]

console = Console(stderr=True, highlight=False)

LABEL_WIDTH = 11
_WIDTH_OF_A_FILE = 400


def say(line: str) -> None:
    """One line, marked as ours."""
    console.print(Text.assemble(("arqade  ", "bold cyan"), line), soft_wrap=True)


def say_of(name: str, line: str) -> None:
    """One line of another process."""
    console.print(Text.assemble((f"{name:<{LABEL_WIDTH}} ", "dim"), line), soft_wrap=True)


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
