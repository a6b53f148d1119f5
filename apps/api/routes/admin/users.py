"""Users, for admins."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from starlette.responses import Response

from apps.api.answers.admin import Erased, Erasing, User
from apps.api.answers.answer import Page
from apps.api.body import read_object
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import UsersQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.validation import validated
from apps.api.views.user import user_view
from libs import limits
from libs.access.plan_numbers import PLAN_NAME, SomeNumbers
from libs.access.users import begin_erasure, create_user, find_user_by_email, list_users, load_user, update_user
from libs.accounts.erase import erase_user
from libs.accounts.reshare import reshare_user
from libs.accounts.stays import what_stays
from libs.errors import Refusal, Unavailable
from libs.strict import Strict

__all__ = ["ROUTES", "NewUser"]

_ERASE_S_MAX = 5.0
_ACCEPTED = 202


def _lower(value: Any) -> Any:
    """`FREE` is what the former image service wrote."""
    return value.lower() if isinstance(value, str) else value


def _address(text: str) -> str:
    """Something before an @ and a host behind it; whether it is read is for a mail to find out."""
    text = text.strip()
    local, _, host = text.rpartition("@")
    if not (local and host and text.isprintable() and " " not in text):
        raise ValueError("must be an e-mail address")
    return text


Email = Annotated[str, Field(max_length=limits.EMAIL_LENGTH_MAX), AfterValidator(_address)]
PlanName = Annotated[str, BeforeValidator(_lower), Field(pattern=f"^{PLAN_NAME.pattern}$")]


class NewUser(Strict):
    """POST /admin/users."""

    email: Email
    role: PlanName = "free"
    overrides: SomeNumbers | None = None


class UserChange(Strict):
    """PATCH /admin/users/{id}: what is absent stays; `overrides` replaces all former ones."""

    role: PlanName | None = None
    overrides: SomeNumbers | None = None
    status: Literal["active", "suspended"] | None = None


async def create(request: Request) -> Response:
    """201 with the new user."""
    wanted, resources = validated(NewUser, await read_object(request)), request.resources
    user = await create_user(
        resources.cells.shared,
        wanted.email,
        wanted.role,
        _given(wanted.overrides),
        plans=resources.plans,
        by=request.actor,
    )
    return Json(user_view(user), 201, {"Location": f"/admin/users/{user.id}"})


async def list_page(request: Request) -> Response:
    """Users, newest first: all, or the one of `?email=`."""
    wish, store = read_page(request), request.resources.cells.shared
    email = request.query_params.get("email")
    if email is not None:
        one = await find_user_by_email(store, email)
        return page(request, [] if one is None else [user_view(one)], None)
    found = await list_users(store, limit=wish.limit + 1, after=wish.after)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    return page(request, [user_view(user) for user in found], found[-1].id if more else None)


async def fetch(request: Request) -> Response:
    """One user."""
    return Json(user_view(await load_user(request.resources.cells.shared, request.path_params["user_id"])))


async def change(request: Request) -> Response:
    """200 with the user as they are now; it counts for their next request, and for the jobs they have waiting."""
    wanted, resources = validated(UserChange, await read_object(request)), request.resources
    user_id = request.path_params["user_id"]
    if wanted.status == "suspended":
        _refuse_self(request, user_id)
    user = await update_user(
        resources.cells.shared,
        user_id,
        plan=wanted.role,
        overrides=_given(wanted.overrides),
        status=wanted.status,
        plans=resources.plans,
        by=request.actor,
    )
    await reshare_user(resources.cells.home_of(user_id), resources.plans, user_id)
    return Json(user_view(user))


async def erase(request: Request) -> Response:
    """Erase a user: 200 when it is done, 202 while it goes on without us; both name what stays, and for how long."""
    resources, user_id = request.resources, request.path_params["user_id"]
    _refuse_self(request, user_id)
    await begin_erasure(resources.cells.shared, user_id, request.actor)
    stays = [asdict(one) for one in await what_stays(resources.cells.shared)]
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(_ERASE_S_MAX):
            if await erase_user(resources.cells.home_of(user_id), resources.objects, user_id):
                return Json({"id": user_id, "status": "erased", "stays": stays})
    return Json(user_view(await load_user(resources.cells.shared, user_id)) | {"stays": stays}, _ACCEPTED)


def _refuse_self(request: Request, user_id: str) -> None:
    """Nobody shuts themselves out: the last admin would be gone."""
    if user_id == request.caller.user_id:
        raise Refusal("conflict", "This is you: ask another admin")


def _given(overrides: SomeNumbers | None) -> dict[str, int | None] | None:
    return None if overrides is None else overrides.given()


ROUTES = [
    route(
        "POST",
        "/admin/users",
        create,
        scope="admin",
        bucket="reads",
        takes=FORM,
        body=NewUser,
        answers={201: User},
        refuses=["conflict"],
    ),
    route("GET", "/admin/users", list_page, scope="admin", bucket="reads", query=UsersQuery, answers={200: Page[User]}),
    route("GET", "/admin/users/{user_id}", fetch, scope="admin", bucket="reads", answers={200: User}),
    route(
        "PATCH",
        "/admin/users/{user_id}",
        change,
        scope="admin",
        bucket="reads",
        takes=FORM,
        body=UserChange,
        answers={200: User},
        refuses=["conflict"],
    ),
    route(
        "DELETE",
        "/admin/users/{user_id}",
        erase,
        scope="admin",
        bucket="reads",
        answers={200: Erased, 202: Erasing},
        refuses=["conflict"],
    ),
]
