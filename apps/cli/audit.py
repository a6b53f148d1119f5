"""`arqade audit`: whether the audit log is what was once written."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import click

from apps.cli.configuration import env_file_option, load_settings
from apps.cli.first_key import open_store
from apps.resources import open_objects, peppers_of
from apps.settings import Settings
from libs.archive.anchor import Anchor, Anchors
from libs.audit.chain import BrokenChainError, Chain, Link
from libs.errors import Unavailable

__all__ = ["audit"]

T = TypeVar("T")

_LINK = re.compile(r"([1-9]\d{0,15}):([0-9a-f]{64})")


@click.group()
def audit() -> None:
    """The log of what admins did."""


@audit.command("verify")
@click.option("--noted", help="NUMBER:HASH as an earlier run printed it: that entry must be there, unchanged.")
@env_file_option
def verify_(noted: str | None, env_file: Path | None) -> None:
    """Follow the chain of hashes through the whole log, archive and all, and hold it against its anchor.

    Exit code 1 when it is broken or shortened. Prints the newest entry's number and hash. Keep it where whoever can
    write to Redis and to the bucket cannot: both brought back to what they were before look like a good log without it.
    """
    link = None
    if noted is not None:
        match = _LINK.fullmatch(noted)
        if match is None:
            raise click.BadParameter("NUMBER:HASH is what an earlier run printed", param_hint="--noted")
        link = Link(int(match[1]), match[2])
    _tell(*asyncio.run(_with_anchors(load_settings(env_file), lambda anchors: anchors.verify(link))))


@audit.command("anchor")
@env_file_option
def anchor_(env_file: Path | None) -> None:
    """Anchor the log as it is now, after a restore that is known to have lost entries; workers do it by themselves."""
    anchor = asyncio.run(_with_anchors(load_settings(env_file), lambda anchors: anchors.renew()))
    if anchor is None:
        click.echo("no entries", err=True)
        return
    click.echo(f"anchored at entry {anchor.link.number}", err=True)


async def _with_anchors(settings: Settings, doing: Callable[[Anchors], Awaitable[T]]) -> T:
    try:
        with closing(open_objects(settings)) as objects:
            async with open_store(settings) as store:
                return await doing(Anchors(store, objects, peppers_of(settings)))
    except BrokenChainError as error:
        raise click.ClickException(f"the audit log was tampered with: {error}") from None
    except Unavailable as error:
        raise click.ClickException(f"{error}: the log cannot be read now") from None


def _tell(chain: Chain | None, anchor: Anchor | None) -> None:
    if chain is None:
        click.echo("no entries", err=True)
        return
    anchored = f", and anchored up to {anchor.link.number}" if anchor is not None else ""
    click.echo(f"{chain.last.number} entries are as they were written{anchored}", err=True)
    click.echo(f"{chain.last.number}:{chain.last.hash}")
