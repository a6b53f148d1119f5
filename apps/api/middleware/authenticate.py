"""Who is calling: from the request's credential to a Caller."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from apps.api.streams.tokens import caller_of_token, shows_token, token_in
from libs.access.api_key import SCOPES
from libs.access.caller import Caller
from libs.access.directory import Directory
from libs.access.door import Door
from libs.access.plans import Plans
from libs.errors import ArqadeError, Refusal
from libs.store.client import Store

__all__ = ["LOCAL_CALLER", "Authenticate", "credential"]

#: RFC 6750, 2.1: b64token.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")

_ONE = "Send one credential, not several"

#: Who everybody is while AUTH_ENABLED=false. Without `admin`: a page in the developer's browser must not mint keys.
LOCAL_CALLER = Caller(
    user_id="usr_00000000000000000000000000",
    email="local@localhost",
    plan="internal",
    limits=Plans().limits_of("internal"),
    api_key_id="apikey_00000000000000000000000000",
    api_key_name="local",
    digest="",
    scopes=SCOPES - {"admin"},
)


class Authenticate:
    """Puts a Caller, or None and the reason, into the scope; routes decide whether it matters to them.

    A public route answers whatever the credential is. What cannot be a key of ours never reaches Redis.
    """

    def __init__(self, app: ASGIApp, door: Door, directory: Directory, store: Store, *, enabled: bool = True) -> None:
        """`store` is where stream tokens are kept."""
        self._app = app
        self._door = door
        self._directory = directory
        self._store = store
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "lifespan":
            scope["arqade.no_caller"] = None
            try:
                scope["arqade.caller"] = await self._caller(scope) if self._enabled else LOCAL_CALLER
            except ArqadeError as error:
                scope["arqade.caller"], scope["arqade.no_caller"] = None, error
        try:
            await self._app(scope, receive, send)
        except Refusal as refusal:
            if refusal.code == "invalid_token" and (caller := scope["arqade.caller"]) is not None:
                self._directory.forget(caller.digest)  # Redis knew better
            raise

    async def _caller(self, scope: Scope) -> Caller | None:
        secret = credential(scope["headers"])
        if secret is None:
            return await self._caller_of_token(scope)
        if shows_token(scope):
            raise Refusal("invalid_request", _ONE)
        return await self._door.let_in(secret, _host(scope))

    async def _caller_of_token(self, scope: Scope) -> Caller | None:
        followed = token_in(scope)
        caller = None if followed is None else await caller_of_token(self._store, self._directory, *followed)
        if caller is not None:
            await self._door.check_network(caller, _host(scope))
        return caller


def _host(scope: Scope) -> str | None:
    """The address that the request came from, as a trusted proxy says or as the socket does."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else None


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The secret that a request presents, None when it presents none that we know of (RFC 6750, 3.1).

    Refuses with `invalid_request` two of them, and a malformed one.
    """
    found: list[bytes] = []
    for name, value in headers:
        if name == b"x-api-key":
            found.append(value.strip())
        elif name == b"authorization":
            scheme, space, token = value.partition(b" ")
            if scheme.lower() == b"bearer" or not space:
                found.append(token.strip(b" "))
    if not found:
        return None
    if len(found) > 1:
        raise Refusal("invalid_request", _ONE)
    if _TOKEN.fullmatch(found[0]) is None:
        raise Refusal("invalid_request", "The credential is malformed: Authorization: Bearer <key>")
    return found[0].decode("ascii")
