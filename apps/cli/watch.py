"""`arqade watch`: follow a job that was sent before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from apps.cli.client import open_client
from apps.cli.follow import follow, new_bars
from apps.cli.submit import key_file_option, url_option

__all__ = ["watch"]


@click.command()
@click.argument("job_id")
@url_option
@key_file_option
def watch(job_id: str, url: str, key_file: Path) -> None:
    """Show the progress of JOB_ID to its end; exit code 1 when it does not succeed."""
    asyncio.run(_watch(url, key_file.read_text().strip(), job_id))


async def _watch(url: str, api_key: str, job_id: str) -> None:
    async with open_client(url, api_key) as client:
        with new_bars() as bars:
            await follow(client, bars, await client.job(job_id))
