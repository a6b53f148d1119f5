"""`arqade audit`: whether the audit log is what was once written."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

import click

from apps.cli.configuration import env_file_option, load_settings
from apps.cli.first_key import open_store
from apps.resources import open_objects
from apps.settings import Settings
from libs.archive.audit import verify_all
from libs.audit.chain import BrokenChainError, Chain, Link
from libs.errors import Unavailable

__all__ = ["audit"]

_LINK = re.compile(r"([1-9]\d{0,15}):([0-9a-f]{64})")


@click.group()
def audit() -> None:
    """The log of what admins did."""


@audit.command("verify")
@click.option("--noted", help="NUMBER:HASH as an earlier run printed it: that entry must be there, unchanged.")
@env_file_option
def verify_(noted: str | None, env_file: Path | None) -> None:
    """Follow the chain of hashes through the whole log, archive and all; exit code 1 when it is broken.

    Prints the newest entry's number and hash. Keep it where whoever can write to Redis cannot: without it, a whole new
    chain, or one that ends too early, looks like a good one.
    """
    link = None
    if noted is not None:
        match = _LINK.fullmatch(noted)
        if match is None:
            raise click.BadParameter("NUMBER:HASH is what an earlier run printed", param_hint="--noted")
        link = Link(int(match[1]), match[2])
    _tell(asyncio.run(_verify(load_settings(env_file), link)))


async def _verify(settings: Settings, noted: Link | None) -> Chain | None:
    try:
        with closing(open_objects(settings)) as objects:
            async with open_store(settings) as store:
                return await verify_all(store, objects, noted)
    except BrokenChainError as error:
        raise click.ClickException(f"the audit log was tampered with: {error}") from None
    except Unavailable as error:
        raise click.ClickException(f"{error}: the log cannot be read now") from None


def _tell(chain: Chain | None) -> None:
    if chain is None:
        click.echo("no entries", err=True)
        return
    click.echo(f"{chain.last.number} entries are as they were written", err=True)
    click.echo(f"{chain.last.number}:{chain.last.hash}")
