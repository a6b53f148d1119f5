"""Stream tokens: they open one job's events for a minute, where no header can be sent.

A token stands for the api key that asked for it: when the key is revoked, so is the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets

from starlette.types import Scope

from libs.access.caller import Caller
from libs.access.directory import Directory
from libs.errors import Refusal
from libs.store.brief import put_briefly
from libs.store.client import Store

__all__ = ["TOKEN_S", "caller_of_token", "create_stream_token", "shows_token", "token_in"]

TOKEN_S = 60
_FOLLOWED = re.compile(r"(?:/ws/jobs/([^/]+)|/api/v1/jobs/([^/]+)/events)/?")
_TOKEN = re.compile(rb"(?:^|&)token=([A-Za-z0-9_-]{43})(?:&|$)")
_ANY_TOKEN = re.compile(rb"(?:^|&)token=")


async def create_stream_token(store: Store, caller: Caller, job_id: str) -> str:
    """A token for one job of the caller's."""
    token = secrets.token_urlsafe(32)
    told = f"{job_id} {caller.digest} {await _now_s(store)}"
    await put_briefly(store, store.keys.stream_token + _digest(token), told, TOKEN_S * 1_000)
    return token


def shows_token(scope: Scope) -> bool:
    """Whether a request that wants to follow a job shows a token, well-formed or not."""
    query = scope.get("query_string", b"")
    return _ANY_TOKEN.search(query) is not None and _FOLLOWED.fullmatch(scope["path"]) is not None


def token_in(scope: Scope) -> tuple[str, str] | None:
    """The job that a request wants to follow and the token it shows, None when it is no such request."""
    path = _FOLLOWED.fullmatch(scope["path"])
    token = _TOKEN.search(scope.get("query_string", b""))
    if path is None or token is None:
        return None
    return path[1] or path[2], token[1].decode()


async def caller_of_token(store: Store, directory: Directory, job_id: str, token: str) -> Caller | None:
    """Who asked for the token, None when it has lapsed, is for another job, or its api key is good no more."""
    stored, now_s = await asyncio.gather(store.call("GET", store.keys.stream_token + _digest(token)), _now_s(store))
    if stored is None:
        return None
    for_job, digest, made_at_s = [*stored.decode().split(" "), now_s][:3]
    if for_job != job_id or int(made_at_s) > now_s:  # made in the future: Redis's clock has stepped back
        return None
    caller = await directory.find_caller(digest)
    if caller is None:
        raise Refusal("invalid_token")
    return caller


async def _now_s(store: Store) -> int:
    return int((await store.call("TIME"))[0])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]
