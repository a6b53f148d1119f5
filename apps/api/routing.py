"""Routes: what each one declares, and the way of a request to its endpoint.

A route says which scope it needs and which bucket it spends from; there is no default, so none can be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.api.attempting import attempted
from apps.api.json_text import Ceilings
from apps.api.lists.queries import refuse_unknown
from apps.api.request import Request
from libs import limits
from libs.access.api_key import SCOPES
from libs.access.caller import Caller
from libs.admission.rate import Bucket, take
from libs.errors import Refusal

__all__ = ["ANY_KEY", "FORM", "GRAPH", "PUBLIC", "Answer", "Endpoint", "Model", "Route", "Table", "route"]

Endpoint = Callable[[Request], Awaitable[Response]]
Model = type[BaseModel]
#: What an answer's body is: a model as JSON, or a media type.
Answer = Model | str

#: Anyone may ask.
PUBLIC: Final = "public"
#: Whoever has a valid key may ask.
ANY_KEY: Final = "any key"

#: Buckets of what adds to the store: while it is full nothing is taken from them.
_ADDING: Final = frozenset({"submits", "uploads"})

#: What a body may have that names a few things, and one with a graph in it.
FORM: Final = Ceilings(limits.FORM_BYTES_MAX, limits.FORM_VALUES_MAX)
GRAPH: Final = Ceilings(limits.GRAPH_BYTES_MAX, limits.GRAPH_VALUES_MAX)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path, under one or more names.

    `scope` is a scope of API keys, PUBLIC or ANY_KEY. `bucket` is what a request spends from: `reads` and `uploads` are
    taken before the endpoint is called, `submits` by admission itself, after an attempt; None spends nothing.
    `takes` is how large a body may be; where none is wanted, none is read.

    The rest is for the OpenAPI document: `body` is what it takes, one of several models, with None where it may be left
    out; `query` what it may be asked; `answers` what it answers by status, one of several or nothing; `refuses` the
    codes of the error catalogue that are its own.
    """

    method: Method
    path: str
    endpoint: Endpoint
    scope: str
    bucket: Bucket | None
    aliases: tuple[str, ...] = ()
    takes: Ceilings | None = None
    body: tuple[Model | None, ...] = ()
    query: Model | None = None
    answers: Mapping[int, tuple[Answer, ...]] = field(default_factory=dict, hash=False)
    refuses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scope not in SCOPES | {PUBLIC, ANY_KEY}:
            raise ValueError(f"{self.method} {self.path}: {self.scope!r} is no scope")
        if self.scope == PUBLIC and self.bucket is not None:
            raise ValueError(f"{self.method} {self.path}: a public route has nobody to take from")
        if self.body and self.takes is None:
            raise ValueError(f"{self.method} {self.path}: a body without ceilings")


def route(
    method: Method,
    path: str,
    endpoint: Endpoint,
    *,
    scope: str,
    bucket: Bucket | None,
    aliases: Sequence[str] = (),
    takes: Ceilings | None = None,
    body: Model | tuple[Model | None, ...] = (),
    query: Model | None = None,
    answers: Mapping[int, Answer | tuple[Answer, ...]] | None = None,
    refuses: Sequence[str] = (),
) -> Route:
    """Declare a route; `{name}` in a path is one segment of it, found in `request.path_params`."""
    told = {
        status: several if isinstance(several, tuple) else (several,) for status, several in (answers or {}).items()
    }
    bodies = body if isinstance(body, tuple) else (body,)
    return Route(method, path, endpoint, scope, bucket, tuple(aliases), takes, bodies, query, told, tuple(refuses))


class Table:
    """The application behind the middleware: finds a request's route, lets it in, and calls its endpoint.

    A trailing slash is of no matter. What is no HTTP request for a known path goes to `otherwise`.
    """

    def __init__(self, routes: Sequence[Route], otherwise: ASGIApp) -> None:
        """Raises ValueError when two routes claim the same method and path."""
        self._otherwise = otherwise
        self._exact: dict[str, dict[str, Route]] = {}
        patterns: dict[str, dict[str, Route]] = {}
        for one in routes:
            for path in (one.path, *one.aliases):
                methods = (patterns if "{" in path else self._exact).setdefault(path, {})
                if one.method in methods:
                    raise ValueError(f"{one.method} {path} is declared twice")
                methods[one.method] = one
        self._patterns = [(_compiled(path), methods) for path, methods in patterns.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._otherwise(scope, receive, send)
        found = self._find(scope["path"])
        if found is None:
            return await self._otherwise(scope, receive, send)
        methods, scope["path_params"] = found
        method = scope["method"]
        chosen = methods.get("GET" if method == "HEAD" else method)
        if chosen is None:
            raise Refusal("method_not_allowed", headers={"Allow": _allowed(methods)})
        scope["arqade.route"] = chosen
        scope["arqade.body_bytes_max"] = chosen.takes.bytes_max if chosen.takes is not None else None
        request = Request(scope, receive, send)
        if chosen.scope != PUBLIC:
            await _let_in(chosen, request)
        if chosen.query is not None:
            refuse_unknown(request, chosen.query)
        if chosen.bucket == "submits":
            response = await attempted(chosen.endpoint, request)
        else:
            response = await chosen.endpoint(request)
        await response(scope, receive, send)
        return None

    def _find(self, path: str) -> tuple[Mapping[str, Route], dict[str, str]] | None:
        path = path.rstrip("/") or "/"
        if (methods := self._exact.get(path)) is not None:
            return methods, {}
        for pattern, methods in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                return methods, match.groupdict()
        return None


async def _let_in(chosen: Route, request: Request) -> None:
    """Refuse who may not, and take a token from who may."""
    caller: Caller | None = request.scope["arqade.caller"]
    if caller is None:
        raise request.scope["arqade.no_caller"] or Refusal("unauthorized")
    if chosen.scope != ANY_KEY and not caller.may(chosen.scope):
        detail = f"This needs the scope {chosen.scope}"
        raise Refusal("insufficient_scope", detail, members={"scope": chosen.scope})
    if chosen.bucket in _ADDING:
        request.resources.watch.require_room()
    if chosen.bucket is not None and chosen.bucket != "submits":
        await _take(request, caller, chosen.bucket)


async def _take(request: Request, caller: Caller, bucket: Bucket) -> None:
    rule = request.api.rate_rule
    if rule is not None:
        request.show((await take(request.home, caller, bucket, rule),))


def _compiled(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)
    return re.compile("".join(re.escape(part) if i % 2 == 0 else f"(?P<{part}>[^/]+)" for i, part in enumerate(parts)))


def _allowed(methods: Mapping[str, Route]) -> str:
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
