"""The OpenAPI document (3.1), made from the table of routes and the models that they declare."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from apps.api.answers.webhook import TOLD
from apps.api.openapi.examples import EXAMPLES
from apps.api.openapi.headers import COMPONENTS, PARAMETERS, STREAM_PARAMETERS, headers_of
from apps.api.openapi.problems import PROBLEM, problem_answers
from apps.api.routing import PUBLIC, Answer, Model, Route
from libs.access.api_key import SCOPES

__all__ = ["openapi", "operation_id"]

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
#: Of each event; `data` is JSON, a job in `snapshot` and `done`, its id alone in `gone`: it is there no more.
_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+-[0-9]+$"},
        "event": {"enum": ["snapshot", "status", "progress", "log", "preview", "artifact", "done", "gone"]},
        "data": {"type": "string", "contentMediaType": _JSON},
    },
    "required": ["id", "event", "data"],
}
#: What a body is that no model describes.
_SCHEMAS: Final[Mapping[str, Any]] = {_JSON: {"type": "object"}, _EVENTS: _EVENT}
_REF: Final = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{([a-z_]+)\}")
_LICENSE: Final = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_ABOUT: Final = (
    "Inference backends as one job API. Every answer of 400 and above is a problem (RFC 9457), whose `code` the "
    "[catalogue](/docs/errors) explains."
)
_MEANINGS: Final = {
    200: "Done",
    201: "Made",
    202: "Accepted",
    204: "Nothing to tell",
    302: "Elsewhere",
    304: "As it was",
}

Mode = Literal["validation", "serialization"]
Schemas = Mapping[Any, Mapping[str, Any]]


def openapi(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document about these routes. Aliases are told where their route is, and are no operations of their own."""
    schemas, definitions = models_json_schema(sorted(_models(routes), key=str), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    refusals: dict[str, Any] = {}
    for route in routes:
        problems, named = problem_answers(route)
        refusals |= named
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, problems)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Arqade", "version": version, "description": _ABOUT, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "security": [],
        "paths": paths,
        "webhooks": {name: {"post": _told(name, model, schemas)} for name, model in TOLD.items()},
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "responses": refusals,
            "headers": COMPONENTS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An api key"},
                "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An api key"},
            },
        },
    }


def operation_id(route: Route) -> str:
    """`get_api_v1_jobs_id`."""
    return "_".join([route.method.lower(), *re.findall(r"[A-Za-z0-9_]+", route.path)]).replace("-", "_")


def _models(routes: Sequence[Route]) -> set[tuple[type[BaseModel], Mode]]:
    found: set[tuple[type[BaseModel], Mode]] = set()
    for route in routes:
        found |= {(model, "validation") for model in route.body if model is not None}
        bodies = (body for several in route.answers.values() for body in several)
        found |= {(body, "serialization") for body in bodies if not isinstance(body, str)}
    return found | {(model, "serialization") for model in TOLD.values()}


def _told(name: str, model: Model, schemas: Schemas) -> dict[str, Any]:
    """What a receiver of webhooks is sent: OpenAPI 3.1's `webhooks`."""
    return {
        "operationId": f"webhook_{name}",
        "summary": inspect.getdoc(model),
        "requestBody": {"required": True, "content": {_JSON: {"schema": schemas[model, "serialization"]}}},
        "responses": {"2XX": {"description": "Received; anything else is tried again"}},
        "security": [],
    }


def _operation(route: Route, schemas: Schemas, problems: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(route.endpoint) or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "tags": [_tag(route)],
        "summary": " ".join(summary.split()),
        "description": more,
        "x-scope": route.scope,
        "parameters": list(_parameters(route)),
        "responses": {str(status): _answer(route, status, schemas) for status in sorted(route.answers)} | problems,
    }
    if route.scope != PUBLIC:
        scopes = [route.scope] if route.scope in SCOPES else []
        operation["security"] = [{"bearer": scopes}, {"api_key": scopes}]
    if route.bucket is not None:
        operation["x-bucket"] = route.bucket
    if route.aliases:
        operation["x-aliases"] = list(route.aliases)
    if route.body:
        operation["requestBody"] = _request_body(route, schemas)
    return operation


def _tag(route: Route) -> str:
    """What stands before the first parameter and behind the version: `jobs`, `admin`."""
    steps = [step for step in route.path.split("/") if step not in ("", "api", "v1")]
    return steps[0]


def _parameters(route: Route) -> Iterator[Mapping[str, Any]]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if route.query is not None:
        for name, schema in route.query.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "schema": _of_query(schema), "description": schema["description"]}
    if route.bucket == "submits":
        yield from PARAMETERS
    if any(_EVENTS in bodies for bodies in route.answers.values()):
        yield from STREAM_PARAMETERS


def _of_query(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: one that is absent is not there, so none is null or empty by default."""
    told = {key: value for key, value in schema.items() if key not in ("title", "description", "anyOf")}
    for one in schema.get("anyOf", ()):
        told |= one if one != {"type": "null"} else {}
    if told.get("default") in ("", None):
        told.pop("default", None)
    return told


def _request_body(route: Route, schemas: Schemas) -> dict[str, Any]:
    found = [schemas[model, "validation"] for model in route.body if model is not None]
    content: dict[str, Any] = {"schema": found[0] if len(found) == 1 else {"anyOf": found}}
    if (example := EXAMPLES.get(f"{route.method} {route.path}")) is not None:
        content["example"] = example
    return {"required": None not in route.body, "content": {_JSON: content}}


def _answer(route: Route, status: int, schemas: Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _MEANINGS[status], "headers": headers_of(route, status)}
    if content := dict(_content(body, schemas) for body in route.answers[status]):
        told["content"] = content
    return told


def _content(body: Answer, schemas: Schemas) -> tuple[str, dict[str, Any]]:
    if isinstance(body, str):
        return body, {"schema": _SCHEMAS.get(body, {"type": "string"})}
    return _JSON, {"schema": schemas[body, "serialization"]}
