"""API keys, for admins."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.responses import Response

from apps.api.body import read_object
from apps.api.paging import page, read_page
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.validation import validated
from apps.api.views import api_key_view
from libs import limits
from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key, list_api_keys, revoke_api_key
from libs.access.users import load_user

__all__ = ["ROUTES"]

_DAY_S = 86_400
_EXPIRES_IN_DAYS_MAX = 3_650


class NewApiKey(BaseModel):
    """POST /admin/api-keys."""

    model_config = {"extra": "forbid", "strict": True, "frozen": True}

    user_id: str
    name: Annotated[str, Field(min_length=1, max_length=limits.API_KEY_NAME_LENGTH_MAX)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=32)] | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=_EXPIRES_IN_DAYS_MAX)] | None = None


async def create(request: Request) -> Response:
    """201 with the secret as `api_key`: this once, and never again."""
    wanted, settings = validated(NewApiKey, await read_object(request)), request.api.settings
    days = wanted.expires_in_days
    api_key, secret = await create_api_key(
        request.resources.cells.shared,
        request.api.pepper,
        user_id=wanted.user_id,
        name=wanted.name,
        scopes=DEFAULT_SCOPES if wanted.scopes is None else frozenset(wanted.scopes),
        lives_s=settings.api_key_ttl if days is None else days * _DAY_S,
        minter=request.caller.scopes,
        random_bytes=settings.api_key_length,
    )
    return Json({**api_key_view(api_key), "api_key": secret}, 201)


async def list_page(request: Request) -> Response:
    """API keys, newest first: all, or those of `?user_id=`."""
    wish, store = read_page(request), request.resources.cells.shared
    user_id = request.query_params.get("user_id")
    if user_id is not None:
        await load_user(store, user_id)
    found = await list_api_keys(store, user_id=user_id, limit=wish.limit + 1, after=wish.after)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    return page(request, [api_key_view(api_key) for api_key in found], found[-1].id if more else None)


async def revoke(request: Request) -> Response:
    """200 with the key, which is refused from now on; again is fine."""
    return Json(api_key_view(await revoke_api_key(request.resources.cells.shared, request.path_params["api_key_id"])))


ROUTES = [
    route("POST", "/admin/api-keys", create, scope="admin", bucket="reads"),
    route("GET", "/admin/api-keys", list_page, scope="admin", bucket="reads"),
    route("DELETE", "/admin/api-keys/{api_key_id}", revoke, scope="admin", bucket="reads"),
]
