"""Who has used what, for admins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from apps.api.answers.admin import UserUsage
from apps.api.answers.answer import Page
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import AllUsageQuery
from apps.api.request import Request
from apps.api.routing import route
from apps.api.views.usage import CSV, csv_lines, read_periods, usage_view, wants_csv
from libs.access.user import User
from libs.access.users import list_users
from libs.accounts.usage import Period, Usage, read_usage

__all__ = ["ROUTES"]

_CSV_PAGE = 100


async def list_page(request: Request) -> Response:
    """Users and what they used: this month, or `?by=&from=&to=`. As CSV it is all users at once."""
    periods = await read_periods(request, default="month", default_count=1)
    wish = read_page(request)
    if wants_csv(request):
        return StreamingResponse(_csv(request, periods), media_type=CSV)
    found = await list_users(request.resources.cells.shared, limit=wish.limit + 1, after=wish.after)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    usage = await _usage_of(request, found, periods)
    views = [_view(user, used) for user, used in zip(found, usage, strict=True)]
    return page(request, views, found[-1].id if more else None)


def _view(user: User, used: Sequence[Usage]) -> dict[str, Any]:
    return {
        "user_id": user.id,
        "email": user.email,
        "role": user.plan,
        "units_used": sum(one.used for one in used),
        "usage": [usage_view(one) for one in used],
    }


async def _csv(request: Request, periods: Sequence[Period]) -> AsyncIterator[str]:
    """Page by page, so that memory holds no more than one."""
    yield csv_lines([("user_id", "email", "role", periods[0].span, "kind", "units")])
    after = ""
    while users := await list_users(request.resources.cells.shared, limit=_CSV_PAGE, after=after):
        usage = await _usage_of(request, users, periods)
        yield csv_lines(
            (user.id, user.email, user.plan, one.period.name, kind, units)
            for user, used in zip(users, usage, strict=True)
            for one in used
            for kind, units in sorted(one.by_kind.items())
        )
        after = users[-1].id


async def _usage_of(request: Request, users: Sequence[User], periods: Sequence[Period]) -> list[list[Usage]]:
    cells = request.resources.cells
    return await asyncio.gather(*[read_usage(cells.home_of(user.id), user.id, periods) for user in users])


ROUTES = [
    route(
        "GET",
        "/admin/usage",
        list_page,
        scope="admin",
        bucket="reads",
        query=AllUsageQuery,
        answers={200: (Page[UserUsage], "text/csv")},
    )
]
