"""The OpenAPI document as a page to read: one file, no script, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any, Final

import orjson

__all__ = ["CONTENT_SECURITY_POLICY", "docs_page"]

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font:14px/1.5 ui-monospace,monospace}pre{background:#f5f5f5;padding:1rem;overflow:auto}"
    "summary{cursor:pointer;padding:.25rem 0}summary b{display:inline-block;width:4.5rem}"
    "table{border-collapse:collapse}td{padding:.15rem 1rem .15rem 0;vertical-align:top}h2{margin-top:2.5rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_page(document: Mapping[str, Any]) -> str:
    """A page with every operation by tag, and every schema."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    schemas = document["components"]["schemas"]
    title = f"{escape(document['info']['title'])} API {escape(document['info']['version'])}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f'<h1>{title}</h1><p>Made from <a href="/openapi.json">openapi.json</a>. '
        'Every refusal is explained in the <a href="/docs/errors">catalogue of errors</a>.</p>'
        + "".join(f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in by_tag.items())
        + "<h2>Schemas</h2>"
        + "".join(_schema(name, schemas[name]) for name in sorted(schemas))
        + "</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    answers = "".join(_row(status, _said(answer)) for status, answer in operation["responses"].items())
    asked = "".join(_row(one["name"], one.get("description", one["in"])) for one in operation["parameters"])
    return (
        f'<details id="{operation["operationId"]}"><summary><b>{method.upper()}</b> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>{escape(operation['description'])}</p>"
        f"<p>Scope: <code>{escape(operation['x-scope'])}</code></p>"
        f"<table>{asked}</table>{_body(operation)}<h3>Answers</h3><table>{answers}</table></details>"
    )


def _body(operation: Mapping[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]["application/json"]
    example = f"<h3>Example</h3>{_json(content['example'])}" if "example" in content else ""
    return f"<h3>Body</h3><p>{_links(content['schema'])}</p>{example}"


def _said(answer: Mapping[str, Any]) -> str:
    if "$ref" in answer:
        codes = answer["$ref"].rpartition("/")[2].removesuffix(".public").split(".")
        return ", ".join(f'<a href="/docs/errors#{code}">{code}</a>' for code in codes)
    bodies = [
        _links(content["schema"]) or escape(media_type) for media_type, content in answer.get("content", {}).items()
    ]
    return f"{escape(answer['description'])} {', '.join(bodies)}"


def _links(schema: Mapping[str, Any]) -> str:
    found = [schema, *schema.get("anyOf", ())]
    names = [one["$ref"].rpartition("/")[2] for one in found if "$ref" in one]
    return " or ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'


def _row(name: str, told: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{told}"


def _json(value: Any) -> str:
    return f"<pre>{escape(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())}</pre>"
