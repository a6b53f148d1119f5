"""`arqade`: every command of it is a file of this folder, and is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from libs.errors import ArqadeError

__all__ = ["cli"]

_COMMANDS: Final = {
    "up": "the whole system in the foreground",
    "demo": "start everything, run two real jobs, show what happened",
    "infra": "only the embedded servers",
    "api": "one API process",
    "worker": "one worker process",
    "keys": "mint, list and revoke api keys",
    "workflows": "register, list, show and retire workflows",
    "audit": "check the log of what admins did",
    "doctor": "what is reachable, what is misconfigured, what to do",
    "reconcile": "make Redis agree with the bucket after a restore",
    "submit": "send a job and wait for it",
    "watch": "follow a job",
}


class _Commands(click.Group):
    """A group whose commands are found by their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"apps.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """What goes wrong on purpose is one line at the terminal; anything else is a bug and shows its traceback."""
        try:
            return super().invoke(ctx)
        except ArqadeError as error:
            raise click.ClickException(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="arqade", prog_name="arqade", message="%(prog)s %(version)s")
def cli() -> None:
    """Inference backends as one multi-tenant job API."""


if __name__ == "__main__":
    cli(prog_name="arqade")
