"""`arqade reconcile`: after Redis was restored from a backup, make it agree with the bucket and tell what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from apps.cli.configuration import env_file_option, load_settings
from apps.cli.first_key import open_store
from apps.resources import open_objects
from apps.settings import Settings
from libs.accounts.reconcile import Reconciliation
from libs.accounts.reconcile import reconcile as make_agree
from libs.errors import Unavailable

__all__ = ["reconcile"]

_SHOWN_MAX = 100


@click.command("reconcile")
@click.option("--look", is_flag=True, help="Tell what was found, and change nothing.")
@env_file_option
def reconcile(env_file: Path | None, look: bool) -> None:
    """Make Redis agree with the bucket after a restore, before workers start, and tell what was lost.

    Nothing of the bucket is removed. May be run again. Exit code 1 when something was lost.
    """
    try:
        found = asyncio.run(_reconcile(load_settings(env_file), look=look))
    except (Unavailable, ValueError) as error:
        raise click.ClickException(f"{error}: check REDIS_URL and the MINIO_ settings, and run it again") from None
    for line in _lines(found):
        click.echo(line)
    click.echo(f"looked at {found.jobs} jobs in Redis and {found.objects} objects", err=True)
    raise SystemExit(0 if found.whole else 1)


async def _reconcile(settings: Settings, *, look: bool) -> Reconciliation:
    with closing(open_objects(settings)) as objects:
        async with open_store(settings) as store:
            return await make_agree(store, objects, look=look)


def _lines(found: Reconciliation) -> Iterator[str]:
    """A line a finding, each kind of them up to a hundred."""
    yield from _some(
        f"do again: {act.act} {act.on} (number {act.number}, by {act.actor.user_id})" for act in found.acts
    )
    yield from _some(f"finished, and out of the queue: {job_id}" for job_id in found.finished_jobs)
    yield from _some(
        f"corrected: {one.what} of {one.user_id}, from {one.found} to {one.expected}" for one in found.counters
    )
    yield from _some(f"lost: {count} jobs of {user_id}" for user_id, count in found.lost_jobs.most_common())
    yield from _some(f"lost: artifact {one}" for one in found.lost_artifacts)
    yield from _some(
        f"unknown user: {user_id}, {count} objects" for user_id, count in found.unknown_users.most_common()
    )


def _some(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == _SHOWN_MAX:
            yield "and more like that"
            return
        yield line
