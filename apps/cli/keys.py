"""`arqade keys`: api keys from the command line, straight in the store; who can run this has everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from rich.table import Table

from apps.cli import screen
from apps.cli.configuration import env_file_option, load_settings
from apps.cli.first_key import ADMIN_EMAIL, keep_secret, open_store, pepper
from apps.settings import Settings
from libs.access.api_key import DEFAULT_SCOPES, ApiKey, mint
from libs.access.api_keys import bootstrap as bootstrap_admin
from libs.access.api_keys import create_api_key, list_api_keys, revoke_api_key
from libs.access.users import load_user, load_user_by_email
from libs.store.client import Store

__all__ = ["keys"]

_PAGE = 100
_DAY_S = 86_400

T = TypeVar("T")


@click.group()
def keys() -> None:
    """Mint, list and revoke api keys. A secret is shown once."""


@keys.command()
@click.option("--email", default=ADMIN_EMAIL, show_default=True, help="The first user, on the plan `internal`.")
@click.option("--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="Keep the secret here (0600).")
@env_file_option
def bootstrap(email: str, path: Path | None, env_file: Path | None) -> None:
    """Make the first user and its admin api key. Works once: there is no default credential."""
    settings = _settings(env_file)
    secret = keep_secret(path, settings) if path else mint(admin=True, random_bytes=settings.api_key_length)

    async def act(store: Store) -> None:
        await bootstrap_admin(store, pepper(settings), secret=secret, email=email, lives_s=settings.api_key_ttl)

    _run(settings, act)
    click.echo(str(path) if path else secret)


@keys.command()
@click.argument("user")
@click.option("--name", default="command line", show_default=True)
@click.option("--scope", "scopes", multiple=True, help="May be repeated.  [all but admin and jobs:raw_workflow]")
@click.option("--days", type=click.IntRange(1, 3_650), help="How long it lives.  [API_KEY_TTL]")
@env_file_option
def create(user: str, name: str, scopes: tuple[str, ...], days: int | None, env_file: Path | None) -> None:
    """Mint an api key for USER (an id or an e-mail address) and print its secret."""
    settings = _settings(env_file)

    async def act(store: Store) -> str:
        owner = await (load_user_by_email(store, user) if "@" in user else load_user(store, user))
        _, secret = await create_api_key(
            store,
            pepper(settings),
            user_id=owner.id,
            name=name,
            scopes=frozenset(scopes) or DEFAULT_SCOPES,
            lives_s=days * _DAY_S if days else settings.api_key_ttl,
            random_bytes=settings.api_key_length,
        )
        return secret

    click.echo(_run(settings, act))


@keys.command("list")
@click.option("--user", help="Only this user's (an id or an e-mail address).")
@env_file_option
def list_(user: str | None, env_file: Path | None) -> None:
    """List api keys, newest first."""

    async def act(store: Store) -> list[ApiKey]:
        owner = await load_user_by_email(store, user) if user and "@" in user else None
        return await _all_api_keys(store, owner.id if owner else user)

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "user", "name", "hint", "scopes", "expires", "revoked"):
        table.add_column(column, no_wrap=column in {"id", "user", "hint"})
    for found in _run(_settings(env_file), act):
        scopes = " ".join(sorted(found.scopes))
        times = (_day(found.expires_at_ms), _day(found.revoked_at_ms))
        table.add_row(found.id, found.user_id, found.name, found.hint, scopes, *times)
    screen.show_table(table)


@keys.command()
@click.argument("api_key_id")
@env_file_option
def revoke(api_key_id: str, env_file: Path | None) -> None:
    """Refuse an api key from now on, everywhere within a second."""
    revoked = _run(_settings(env_file), lambda store: revoke_api_key(store, api_key_id))
    click.echo(f"{revoked.id} ({revoked.hint}) is revoked")


def _settings(env_file: Path | None) -> Settings:
    """Settings that may touch keys: with a wrong pepper a key would be made that nobody can use."""
    settings = load_settings(env_file)
    if refusals := [line for line in settings.refusals() if line.startswith("API_KEY_PEPPER")]:
        raise click.ClickException(refusals[0])
    return settings


async def _all_api_keys(store: Store, user_id: str | None) -> list[ApiKey]:
    found: list[ApiKey] = []
    while page := await list_api_keys(store, user_id=user_id, limit=_PAGE, after=found[-1].id if found else ""):
        found += page
    return found


def _run(settings: Settings, act: Callable[[Store], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with open_store(settings) as store:
            return await act(store)

    return asyncio.run(opened())


def _day(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"
