"""The first admin api key of a system that we start ourselves: written down before it is made, so it cannot be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from apps.settings import Settings
from libs.access.api_key import mint, well_formed
from libs.access.api_keys import bootstrap, create_api_key
from libs.access.users import create_user, load_user_by_email
from libs.embedded.data_dir import write_private
from libs.embedded.process import StartError
from libs.errors import Refusal
from libs.store.client import Store
from libs.store.keyspace import Keyspace

__all__ = ["ADMIN_EMAIL", "ensure_admin_key", "keep_secret", "open_store", "pepper"]

#: A person waits at a terminal; a server that is busy deserves more patience than a request has.
_COMMAND_TIMEOUT_S = 5.0
ADMIN_EMAIL = "admin@localhost"


async def ensure_admin_key(settings: Settings, path: Path) -> None:
    """See that `path` holds an admin api key of this system; raises StartError when it holds something else."""
    kept = path.exists()  # noqa: ASYNC240  # nothing else runs in this loop
    secret = keep_secret(path, settings)
    async with open_store(settings) as store:
        try:
            await bootstrap(store, pepper(settings), secret=secret, email=ADMIN_EMAIL, lives_s=settings.api_key_ttl)
        except Refusal as refusal:
            if kept:
                raise StartError(f"{path} holds an api key of another system: remove it to have one made") from refusal
            await _replace(store, settings, path)


def keep_secret(path: Path, settings: Settings) -> str:
    """The api key that the file holds; a new one is written there first when there is no file."""
    try:
        secret = path.read_text().strip()
    except FileNotFoundError:
        secret = mint(admin=True, random_bytes=settings.api_key_length)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secret + "\n")
    if not well_formed(secret):
        raise StartError(f"{path} holds no api key: remove it, or name another file with --admin-key-file")
    return secret


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of the settings, for a command; raises Unavailable."""
    keys = Keyspace.with_prefix(settings.redis_prefix)
    url = settings.redis_url.get_secret_value()
    store = await Store.open(url, keys, timeout_s=_COMMAND_TIMEOUT_S, name="arqade-cli")
    try:
        yield store
    finally:
        await store.close()


def pepper(settings: Settings) -> bytes:
    """The bytes that api keys are hashed with."""
    return settings.api_key_pepper.get_secret_value().encode()


async def _replace(store: Store, settings: Settings, path: Path) -> None:
    """The file was lost: whoever has the data folder may have another admin api key."""
    try:
        admin = await load_user_by_email(store, ADMIN_EMAIL)
    except Refusal:
        admin = await create_user(store, ADMIN_EMAIL, "internal")
    _, secret = await create_api_key(
        store,
        pepper(settings),
        user_id=admin.id,
        name="replaced",
        scopes=frozenset({"admin"}),
        lives_s=settings.api_key_ttl,
        random_bytes=settings.api_key_length,
    )
    write_private(path, secret + "\n")
