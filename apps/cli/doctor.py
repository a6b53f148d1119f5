"""`arqade doctor`: what is reachable, what is misconfigured, what to do."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.table import Table

from apps.cli import screen
from apps.cli.check import Check, exit_code
from apps.cli.checks import check_everything, check_ledger
from apps.cli.configuration import env_file_option, load_settings

__all__ = ["doctor"]

_MARKS = {"good": "[green]✓", "warning": "[yellow]![/]", "bad": "[red]✗"}


@click.command()
@env_file_option
@click.option("--ledger", is_flag=True, help="Reconcile quota counters with the ledger instead.")
def doctor(env_file: Path | None, ledger: bool) -> None:
    """Look at everything that a process would need; exit code 1 when something would keep it from serving."""
    check = check_ledger if ledger else check_everything
    found = asyncio.run(check(load_settings(env_file)))
    screen.show_table(_table(found))
    sys.exit(exit_code(found))


def _table(found: list[Check]) -> Table:
    table = Table("", "part", "finding", box=None, show_header=False, pad_edge=False)
    for check in found:
        table.add_row(_MARKS[check.level], check.part, check.told)
    return table
