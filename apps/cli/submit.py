"""`arqade submit`: send a job, follow it, keep what it made."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from apps.cli.client import open_client
from apps.cli.follow import follow, new_bars, save_artifacts

__all__ = ["key_file_option", "submit", "url_option"]

url_option = click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The API.")
key_file_option = click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="arqade-data/admin.key",
    show_default=True,
    help="A file that holds an api key.",
)


@click.command()
@click.argument("kind")
@click.argument("wanted", metavar="[INPUT]", default="{}")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Upload it first.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where files are saved.")
@url_option
@key_file_option
def submit(  # click passes options by name
    kind: str, wanted: str, path: Path | None, out: Path, url: str, key_file: Path
) -> None:
    """Send a job of KIND, follow it and save its files.

    INPUT is a JSON object; with --file its member `upload` is the file's. The finished job's output goes to stdout:
    arqade submit generate '{"prompt": "a lighthouse"}'
    """
    try:
        members = dict(json.loads(wanted))
    except (ValueError, TypeError) as error:
        raise click.BadParameter("it is no JSON object", param_hint="INPUT") from error
    job = asyncio.run(_submit(url, key_file.read_text().strip(), kind, members, path, out))
    click.echo(json.dumps(job["output"], ensure_ascii=False, indent=2))


async def _submit(
    url: str, api_key: str, kind: str, members: dict[str, Any], path: Path | None, out: Path
) -> dict[str, Any]:
    async with open_client(url, api_key) as client:
        if path:
            members["upload"] = await client.upload(path)
        job = await client.submit(kind, members)
        with new_bars() as bars:
            job = await follow(client, bars, job)
        await save_artifacts(client, job, out)
        return job
