"""Reading JSON bodies, strictly (RFC 8259, RFC 7493): what two parsers could read differently is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, NoReturn, cast

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from apps.api.json_text import Ceilings, Look, surely_few
from libs import limits
from libs.errors import Refusal, invalid

__all__ = [
    "ceilings_of",
    "large_turn",
    "parse_json",
    "parse_large",
    "read_bytes",
    "read_json",
    "read_object",
    "read_object_if_any",
    "read_text",
]

_COLON = re.compile(rb'"[ \t\n\r]*:')
_JSON = re.compile(rb"""application/json\s*(?:;\s*charset="?utf-8"?\s*)?""", re.IGNORECASE)


#: As much as is read in one go: what may be in a text of that size is a millisecond's work.
_SMALL_BYTES: Final = limits.BODY_SMALL_BYTES_MAX
#: Memory of one value in a tree, as measured of objects with a member each, the dearest there are.
_VALUE_BYTES: Final = 128
_ANY: Final = Ceilings()


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object that the body is. Refuses: see `read_json`; `validation_failed` when it is something else."""
    return _object(await read_json(request))


async def read_object_if_any(request: Request) -> dict[str, Any]:
    """The same of a body that may be left out; many clients name a content type even then."""
    text = await read_bytes(request.receive)
    if not text:
        return {}
    _refuse_other_types(request)
    return _object(await _parse(request, text))


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise invalid("#", "The body must be a JSON object", "type")
    return body


async def read_json(request: Request) -> Any:
    """The JSON value that the body is, within the ceilings of its route.

    Refuses `unsupported_media_type`, `malformed_request`, `body_too_large` and `request_timeout`.
    """
    return await _parse(request, await read_text(request))


def ceilings_of(request: Request) -> Ceilings:
    """What the request's route takes."""
    route = request.scope.get("arqade.route")
    return _ANY if route is None or route.takes is None else cast("Ceilings", route.takes)


async def read_text(request: Request) -> bytes:
    """A body that says that it is JSON, unread. Refuses: see `read_json`, but for `malformed_request`."""
    _refuse_other_types(request)
    return await read_bytes(request.receive)


def _refuse_other_types(request: Request) -> None:
    if not _is_json(request.scope["headers"]):
        detail = "Send JSON, in UTF-8 and not compressed, as Content-Type: application/json"
        raise Refusal("unsupported_media_type", detail, headers={"Accept-Post": "application/json"})


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body says that it is JSON in UTF-8, and as it is: a compressed one could grow without bound."""
    found = False
    for name, value in headers:
        if name == b"content-encoding":
            return False
        if name == b"content-type":
            found = _JSON.fullmatch(value) is not None
    return found


async def read_bytes(receive: Receive) -> bytes:
    """The whole body; raises ClientDisconnect when its sender goes away."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _parse(request: Request, text: bytes) -> Any:
    ceilings = ceilings_of(request)
    if len(text) <= _SMALL_BYTES:
        return parse_json(text, ceilings)
    look = Look(text, ceilings)
    try:
        async with large_turn(request):
            await _see(look)
            _weigh(request, look.values)
            return await _parse_seen(text, look, ceilings)
    finally:
        request.scope["arqade.values_read"] = look.values  # what it is charged for if it is refused


def large_turn(request: Request) -> AbstractAsyncContextManager[None]:
    """What takes long with a large body is done for its user one at a time; small ones wait for nothing."""
    scope = request.scope
    body, caller, api = scope.get("arqade.body"), scope.get("arqade.caller"), scope.get("arqade.api")
    if body is None or body.count <= _SMALL_BYTES or caller is None or api is None:
        return nullcontext()
    turn: AbstractAsyncContextManager[None] = api.turns.of(caller.user_id)
    return turn


def parse_json(text: bytes, ceilings: Ceilings = _ANY) -> Any:
    """A JSON value, read in one go: for small ones.

    Refuses `malformed_request`: bad syntax or UTF-8, NaN, a member twice, too deep, too many values.
    """
    if not surely_few(text, ceilings.values_max):
        Look(text, ceilings).through()
    value = _loads(text)
    # Each member has a colon behind a quote; when none is left over, no member was dropped for having another's name.
    members = _members(value, 1, ceilings.depth_max)
    if members != text.count(b":") and members != len(_COLON.findall(text)):
        json.loads(text, object_pairs_hook=_unique)  # slower, and only where a colon stands in a string
    return value


async def parse_large(text: bytes, ceilings: Ceilings) -> Any:
    """A JSON value of any size. Its text is held against the ceilings first, in windows.

    Refuses: see `parse_json`.
    """
    look = Look(text, ceilings)
    await _see(look)
    return await _parse_seen(text, look, ceilings)


async def _see(look: Look) -> None:
    for _ in look.windows():
        await asyncio.sleep(0)


def _weigh(request: Request, values: int) -> None:
    """Hold what a tree of so many values takes, beside the text that it holds; refuses as the budget does."""
    if (body := request.scope.get("arqade.body")) is not None:
        body.grow(values * _VALUE_BYTES)


async def _parse_seen(text: bytes, look: Look, ceilings: Ceilings) -> Any:
    value = _loads(text)
    await asyncio.sleep(0)
    if _members(value, 1, ceilings.depth_max) != look.members:
        raise Refusal("malformed_request", "The body is not JSON: a member of an object is there twice")
    return value


def _loads(text: bytes) -> Any:
    if not text:
        raise Refusal("malformed_request", "The body is empty")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal("malformed_request", f"The body is not JSON: {error}") from None


def _members(value: Any, depth: int, depth_max: int) -> int:
    """How many members the objects in a value have; refuses what is nested too deep."""
    if not isinstance(value, dict | list):
        return 0
    if depth > depth_max:
        raise Refusal("malformed_request", f"The body is nested deeper than {depth_max}")
    count = len(value) if isinstance(value, dict) else 0
    for element in value.values() if isinstance(value, dict) else value:
        if isinstance(element, dict | list):
            count += _members(element, depth + 1, depth_max)
    return count


def _unique(members: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _value in members:
        if name in seen:
            _refuse_twice(name)
        seen.add(name)


def _refuse_twice(name: str) -> NoReturn:
    raise Refusal("malformed_request", f"The body is not JSON: the member {name[:64]!r} is there twice")
