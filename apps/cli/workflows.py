"""`arqade workflows`: register, list, show and retire workflows, over the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click
from rich.table import Table

from apps.cli import screen
from apps.cli.client import Client, open_client
from apps.cli.drafts import drafted
from apps.cli.submit import key_file_option, url_option
from libs.errors import Unavailable
from libs.workflows.editor import NotAWorkflowError

__all__ = ["workflows"]

T = TypeVar("T")

_PATH = "/admin/workflows"


@click.group()
def workflows() -> None:
    """Workflows that callers order by name; needs the api key of an admin."""


@workflows.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@url_option
@key_file_option
def register(name: str, file: Path, url: str, key_file: Path) -> None:
    """Register the workflow in FILE under NAME; a new version where there is one already.

    FILE holds a JSON object: graph (in ComfyUI's API format), parameters, summary, units.
    """
    try:
        definition = dict(json.loads(file.read_bytes()))
    except (ValueError, TypeError) as error:
        raise click.BadParameter("it holds no JSON object", param_hint="FILE") from error

    async def act(client: Client) -> dict[str, Any]:
        if name in [one["name"] for one in await _all(client)]:
            return await client.call("POST", f"{_PATH}/{quote(name, safe='')}/versions", definition)
        return await client.call("POST", _PATH, {"name": name, **definition})

    made = _run(url, key_file, act)
    for warning in made["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{made['name']} version {made['version']}")


@workflows.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--comfyui", "address", default="http://127.0.0.1:8188", show_default=True, help="The ComfyUI that will run it."
)
def draft(file: Path, address: str) -> None:
    """Print what `register` takes, made from FILE: a workflow as ComfyUI's editor saves it.

    What its nodes take is asked of the ComfyUI; what it lacks for the workflow, and what is in doubt, goes to stderr.
    """
    try:
        definition, warnings = asyncio.run(drafted(json.loads(file.read_bytes()), address))
    except NotAWorkflowError as error:
        raise click.BadParameter(str(error), param_hint="FILE") from error
    except json.JSONDecodeError as error:
        raise click.BadParameter("it holds no JSON", param_hint="FILE") from error
    except Unavailable as error:
        raise click.ClickException(f"{address}: {error.detail}") from error
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(json.dumps(definition, ensure_ascii=False, indent=2))


@workflows.command("list")
@url_option
@key_file_option
def list_(url: str, key_file: Path) -> None:
    """List the workflows that can be ordered."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "version", "units", "summary"):
        table.add_column(column, no_wrap=column == "name")
    for one in _run(url, key_file, _all):
        table.add_row(one["name"], str(one["version"]), str(one["units"]), one["summary"])
    screen.show_table(table)


@workflows.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="Which version.  [the newest]")
@url_option
@key_file_option
def show(name: str, version: int | None, url: str, key_file: Path) -> None:
    """Print a workflow as JSON, graph and all."""
    path = _path(name, version)
    click.echo(json.dumps(_run(url, key_file, lambda client: client.call("GET", path)), ensure_ascii=False, indent=2))


@workflows.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="This version alone.")
@url_option
@key_file_option
def retire(name: str, version: int | None, url: str, key_file: Path) -> None:
    """Take a workflow from offer; what was ordered of it still runs."""
    path = _path(name, version)
    _run(url, key_file, lambda client: client.call("DELETE", path))
    click.echo(f"{name} {'is' if version is None else f'version {version} is'} retired")


def _path(name: str, version: int | None) -> str:
    path = f"{_PATH}/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


async def _all(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await client.call("GET", f"{_PATH}?limit=100{cursor and f'&cursor={quote(cursor)}'}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def _run(url: str, key_file: Path, act: Callable[[Client], Awaitable[T]]) -> T:
    api_key = key_file.read_text().strip()

    async def opened() -> T:
        async with open_client(url, api_key) as client:
            return await act(client)

    return asyncio.run(opened())
