"""Pages of a list: `?limit=&cursor=` in, `{"data", "has_more", "next_cursor"}` and a `Link` (RFC 8288) out.

Cursors are sealed (see `apps.api.lists.seal`): each is good for one caller and one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from apps.api.request import Request
from apps.api.responses import Json
from libs import limits
from libs.errors import Refusal

__all__ = ["PageWish", "bad_parameter", "page", "read_page"]


@dataclass(frozen=True, slots=True)
class PageWish:
    """What a caller asks of a list: how many, and from behind which position ("" is the start)."""

    limit: int
    after: str


def read_page(request: Request) -> PageWish:
    """Read `limit` and `cursor` of the query. Refuses a bad limit (422) and a bad cursor (400)."""
    text = request.query_params.get("limit", str(limits.PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= limits.PAGE_SIZE_MAX):
        raise bad_parameter("limit", f"The limit is a number from 1 to {limits.PAGE_SIZE_MAX}", "out_of_range")
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return PageWish(int(text), "")
    return PageWish(int(text), request.api.seal.open(_owner(request), cursor))


def page(request: Request, data: Sequence[dict[str, Any]], next_position: str | None) -> Json:
    """Answer with a page; `next_position` is where the next one starts behind, None on the last."""
    body = {"data": data, "has_more": next_position is not None, "next_cursor": None}
    if next_position is None:
        return Json(body)
    body["next_cursor"] = cursor = request.api.seal.close(_owner(request), next_position)
    query = urlencode(
        [*[item for item in request.query_params.multi_items() if item[0] != "cursor"], ("cursor", cursor)]
    )
    return Json(body, headers={"Link": f'<{request.scope["path"]}?{query}>; rel="next"'})


def bad_parameter(name: str, detail: str, code: str = "invalid") -> Refusal:
    """A 422 about one parameter of the query."""
    return Refusal("validation_failed", detail, errors=[{"parameter": name, "detail": detail, "code": code}])


def _owner(request: Request) -> str:
    return f"{request.caller.user_id} {request.scope['path'].rstrip('/')}"
