"""Whether anybody at all may list, write or read the bucket: by its policy, by its access list, and by trying.

Presigned URLs are all that callers need. A bucket that is open besides shows every user's files to who guesses, or
lists, their names. Stores know different of these ways, and what one does not know opens nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Literal
from xml.etree import ElementTree as ET

from minio.error import MinioException

from libs.artifacts.requests import Requests

__all__ = ["Act", "told", "tried", "what_anybody_may"]

Act = Literal["list", "write", "read"]

#: What is asked of each act: who may do one of these may do it.
_ACTIONS: dict[Act, tuple[str, ...]] = {
    "list": ("s3:listbucket",),
    "write": ("s3:putobject", "s3:deleteobject"),
    "read": ("s3:getobject",),
}
#: Groups of access lists that everybody is in, or whoever has any account at all.
_EVERYBODY = ("/AllUsers", "/AuthenticatedUsers")
#: What a permission on a bucket allows: to read a bucket is to list it.
_PERMISSIONS: dict[str, tuple[Act, ...]] = {"READ": ("list",), "WRITE": ("write",), "FULL_CONTROL": ("list", "write")}
#: Conditions that narrow what is opened, and not to whom.
_NARROWING = ("s3:prefix", "s3:delimiter", "s3:max-keys")


def what_anybody_may(requests: Requests) -> dict[Act, str]:
    """What is open, and how that is known. Blocks. Raises what the connection raises."""
    found: dict[Act, str] = {}
    for act, how in (*told(requests), *tried(requests)):
        found[act] = f"{found[act]}, and {how}" if act in found else how
    return found


def told(requests: Requests) -> Iterator[tuple[Act, str]]:
    """What policy and access list say."""
    with suppress(MinioException, ValueError):
        yield from ((act, "its policy says so") for act in _by_policy(requests.send("GET", query={"policy": ""})))
    with suppress(MinioException, ET.ParseError):
        yield from ((act, "its access list says so") for act in _by_acl(requests.send("GET", query={"acl": ""})))


def tried(requests: Requests) -> Iterator[tuple[Act, str]]:
    """What somebody without a key gets done."""
    done = "a request without any key did it"
    if _succeeds(requests.send_unsigned("GET", query={"list-type": "2", "max-keys": "1"})):
        yield "list", done
    name = f"probe/{secrets.token_hex(8)}"
    try:
        if _succeeds(requests.send_unsigned("PUT", name)):
            yield "write", done
        with suppress(MinioException):  # a store that keeps nothing of ours shows nothing of ours
            requests.send("PUT", name, body=b"probe")
        if _succeeds(requests.send_unsigned("GET", name)):
            yield "read", done
    finally:
        with suppress(MinioException):
            requests.send("DELETE", name)


def _succeeds(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _by_policy(document: bytes) -> Iterator[Act]:
    """Raises ValueError for what is no policy: some stores list the bucket when they are asked for one."""
    policy = json.loads(document)
    statements = _several(policy.get("Statement", ())) if isinstance(policy, dict) else ()
    open_ones = [one for one in statements if isinstance(one, dict) and _is_for_anybody(one)]
    patterns = [str(action).lower() for one in open_ones for action in _several(one.get("Action", ()))]
    for act, actions in _ACTIONS.items():
        if any(fnmatchcase(action, pattern) for action in actions for pattern in patterns):
            yield act


def _is_for_anybody(statement: dict[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    who = statement.get("Principal", "*" if "NotPrincipal" in statement else ())
    named = [name for names in who.values() for name in _several(names)] if isinstance(who, dict) else _several(who)
    conditions = statement.get("Condition") or {}
    keys = [key.lower() for condition in conditions.values() for key in condition]
    return "*" in named and all(key in _NARROWING for key in keys)


def _by_acl(document: bytes) -> Iterator[Act]:
    for grant in ET.fromstring(document).iter():  # noqa: S314  # our own store; expat has limits against bombs
        if grant.tag.rpartition("}")[2] == "Grant":
            texts = {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in grant.iter()}
            if texts.get("URI", "").endswith(_EVERYBODY):
                yield from _PERMISSIONS.get(texts.get("Permission", ""), ())


def _several(one_or_more: Any) -> Iterable[Any]:
    return one_or_more if isinstance(one_or_more, list | tuple) else (one_or_more,)
