"""API keys, for admins."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from apps.api.answers.admin import ApiKey, Minted
from apps.api.answers.answer import Page
from apps.api.body import read_object, read_object_if_any
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import UserQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.validation import validated
from apps.api.views.user import api_key_view
from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_key import ApiKey as StoredApiKey
from libs.access.api_keys import create_api_key, list_api_keys, load_api_key, revoke_api_key, rotate_api_key
from libs.access.networks import parse_network
from libs.access.plans import load_limits
from libs.access.users import load_user
from libs.errors import invalid
from libs.limits import API_KEY_NAME_LENGTH_MAX, API_KEY_NETWORKS_MAX, OVERLAP_S, OVERLAP_S_MAX
from libs.strict import Strict, at_most

__all__ = ["ROUTES", "NewApiKey"]

_DAY_S = 86_400
_EXPIRES_IN_DAYS_MAX = 3_650
_SCOPES_MAX = 32


def _network(text: str) -> str:
    """`10.1.2.3/8` has host bits, and means something else than its writer thinks."""
    return str(parse_network(text))


Rate = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=1, le=_EXPIRES_IN_DAYS_MAX)]
Networks = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(_network)]],
    Field(max_length=API_KEY_NETWORKS_MAX),
    at_most(API_KEY_NETWORKS_MAX),
]


class OwnLimits(Strict):
    """Rates of a key itself, at most those of its user."""

    submits_per_minute: Rate | None = None
    reads_per_minute: Rate | None = None
    uploads_per_minute: Rate | None = None

    def rates(self) -> dict[str, int]:
        """Tokens a minute by bucket."""
        return {name.removesuffix("_per_minute"): rate for name, rate in self if rate is not None}


class NewApiKey(Strict):
    """POST /admin/api-keys."""

    user_id: str
    name: Annotated[str, Field(min_length=1, max_length=API_KEY_NAME_LENGTH_MAX)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=_SCOPES_MAX), at_most(_SCOPES_MAX)] | None = None
    expires_in_days: Days | None = None
    limits: OwnLimits = OwnLimits()
    addresses: Networks = Field([])


class Rotation(Strict):
    """POST /admin/api-keys/{id}/rotate; the body may be left out."""

    overlap_seconds: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)] = OVERLAP_S
    expires_in_days: Days | None = None


async def create(request: Request) -> Response:
    """201 with the secret as `api_key`: this once, and never again."""
    wanted = validated(NewApiKey, await read_object(request))
    await _check_rates(request, wanted)
    api_key, secret = await create_api_key(
        request.resources.cells.shared,
        request.api.pepper,
        user_id=wanted.user_id,
        name=wanted.name,
        scopes=DEFAULT_SCOPES if wanted.scopes is None else frozenset(wanted.scopes),
        lives_s=_lives_s(request, wanted.expires_in_days),
        minter=request.caller.scopes,
        random_bytes=request.api.settings.api_key_length,
        rates=wanted.limits.rates(),
        networks=wanted.addresses,
        by=request.actor,
    )
    return _minted(api_key, secret)


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


async def fetch(request: Request) -> Response:
    """One API key, without its secret."""
    store, key_id = request.resources.cells.shared, request.path_params["api_key_id"]
    return Json(api_key_view(await load_api_key(store, key_id)))


async def rotate(request: Request) -> Response:
    """201 with the successor and its secret as `api_key`; the old key is refused once the overlap is over."""
    wanted = validated(Rotation, await read_object_if_any(request))
    successor, secret, _old = await rotate_api_key(
        request.resources.cells.shared,
        request.api.pepper,
        request.path_params["api_key_id"],
        lives_s=_lives_s(request, wanted.expires_in_days),
        overlap_s=wanted.overlap_seconds,
        random_bytes=request.api.settings.api_key_length,
        by=request.actor,
    )
    return _minted(successor, secret)


async def revoke(request: Request) -> Response:
    """200 with the key, which is refused from now on; again is fine."""
    store, key_id = request.resources.cells.shared, request.path_params["api_key_id"]
    return Json(api_key_view(await revoke_api_key(store, key_id, request.actor)))


async def _check_rates(request: Request, wanted: NewApiKey) -> None:
    """A key has no higher rate than its user; "unlimited" is the fleet's ceiling."""
    resources, rates = request.resources, wanted.limits.rates()
    user = await load_user(resources.cells.shared, wanted.user_id)
    allowed = await load_limits(resources.cells.shared, resources.plans, user)
    for bucket, rate in rates.items():
        ceiling = getattr(allowed, f"{bucket}_per_minute") or request.api.settings.fleet_ceiling_per_minute
        if rate > ceiling:
            raise invalid(f"#/limits/{bucket}_per_minute", f"The user has {ceiling} a minute", "over_plan")


def _minted(api_key: StoredApiKey, secret: str) -> Response:
    location = f"/admin/api-keys/{api_key.id}"
    return Json({**api_key_view(api_key), "api_key": secret}, 201, headers={"Location": location})


def _lives_s(request: Request, days: int | None) -> int:
    return request.api.settings.api_key_ttl if days is None else days * _DAY_S


ROUTES = [
    route(
        "POST",
        "/admin/api-keys",
        create,
        scope="admin",
        bucket="reads",
        takes=FORM,
        body=NewApiKey,
        answers={201: Minted},
        refuses=["not_found", "conflict"],
    ),
    route(
        "GET",
        "/admin/api-keys",
        list_page,
        scope="admin",
        bucket="reads",
        query=UserQuery,
        answers={200: Page[ApiKey]},
        refuses=["not_found"],
    ),
    route("GET", "/admin/api-keys/{api_key_id}", fetch, scope="admin", bucket="reads", answers={200: ApiKey}),
    route("DELETE", "/admin/api-keys/{api_key_id}", revoke, scope="admin", bucket="reads", answers={200: ApiKey}),
    route(
        "POST",
        "/admin/api-keys/{api_key_id}/rotate",
        rotate,
        scope="admin",
        bucket="reads",
        takes=FORM,
        body=(Rotation, None),
        answers={201: Minted},
        refuses=["conflict"],
    ),
]
