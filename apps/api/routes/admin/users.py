"""Users, for admins."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model
from starlette.responses import Response

from apps.api.body import read_object
from apps.api.paging import page, read_page
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.validation import validated
from apps.api.views import user_view
from libs import limits
from libs.access.plan import Limits
from libs.access.users import create_user, list_users, load_user, update_user

__all__ = ["ROUTES"]

_NUMBER_MAX = 2**53 - 1


class Body(BaseModel):
    """What the bodies here have in common."""

    model_config = {"extra": "forbid", "strict": True, "frozen": True}


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
PlanName = Annotated[str, BeforeValidator(_lower), Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]

#: Numbers of a plan, replaced for one user; a number that is null is unlimited.
Overrides: type[BaseModel] = create_model(
    "Overrides",
    __base__=Body,
    **{  # type: ignore[call-overload]  # fields of a dataclass are those of the model
        field.name: (Annotated[get_type_hints(Limits)[field.name], Field(ge=0, le=_NUMBER_MAX)], None)
        for field in fields(Limits)
    },
)


class NewUser(Body):
    """POST /admin/users."""

    email: Email
    role: PlanName = "free"
    overrides: Overrides | None = None


class UserChange(Body):
    """PATCH /admin/users/{id}: what is absent stays; `overrides` replaces all former ones."""

    role: PlanName | None = None
    overrides: Overrides | None = None
    status: Literal["active", "suspended"] | None = None


async def create(request: Request) -> Response:
    """201 with the new user."""
    wanted = validated(NewUser, await read_object(request))
    user = await create_user(request.resources.cells.shared, wanted.email, wanted.role, _given(wanted.overrides))
    return Json(user_view(user), 201, {"Location": f"/admin/users/{user.id}"})


async def list_page(request: Request) -> Response:
    """Users, newest first."""
    wish = read_page(request)
    found = await list_users(request.resources.cells.shared, limit=wish.limit + 1, after=wish.after)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    return page(request, [user_view(user) for user in found], found[-1].id if more else None)


async def fetch(request: Request) -> Response:
    """One user."""
    return Json(user_view(await load_user(request.resources.cells.shared, request.path_params["user_id"])))


async def change(request: Request) -> Response:
    """200 with the user as they are now; the change counts for their next request."""
    wanted = validated(UserChange, await read_object(request))
    user = await update_user(
        request.resources.cells.shared,
        request.path_params["user_id"],
        plan=wanted.role,
        overrides=_given(wanted.overrides),
        status=wanted.status,
    )
    return Json(user_view(user))


def _given(overrides: BaseModel | None) -> dict[str, int | None] | None:
    return None if overrides is None else overrides.model_dump(exclude_unset=True)


ROUTES = [
    route("POST", "/admin/users", create, scope="admin", bucket="reads"),
    route("GET", "/admin/users", list_page, scope="admin", bucket="reads"),
    route("GET", "/admin/users/{user_id}", fetch, scope="admin", bucket="reads"),
    route("PATCH", "/admin/users/{user_id}", change, scope="admin", bucket="reads"),
]
