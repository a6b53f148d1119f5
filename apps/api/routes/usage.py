"""What the caller has used."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers.answer import OwnUsage
from apps.api.lists.queries import UsageQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import ANY_KEY, route
from apps.api.views.usage import CSV, csv_lines, read_periods, usage_view, wants_csv
from libs.accounts.usage import read_usage

__all__ = ["ROUTES"]


async def show_usage(request: Request) -> Response:
    """Units by day (the last 30) or month (the last 12), in all and by kind; `?by=&from=&to=`, as JSON or CSV."""
    periods, as_csv = await read_periods(request), wants_csv(request)
    found = await read_usage(request.home, request.caller.user_id, periods)
    if as_csv:
        rows = [(one.period.name, kind, units) for one in found for kind, units in sorted(one.by_kind.items())]
        return Response(csv_lines([(periods[0].span, "kind", "units"), *rows]), media_type=CSV)
    return Json({"data": [usage_view(one) for one in found], "units_used": sum(one.used for one in found)})


ROUTES = [
    route(
        "GET",
        "/api/v1/usage",
        show_usage,
        scope=ANY_KEY,
        bucket="reads",
        query=UsageQuery,
        answers={200: (OwnUsage, "text/csv")},
    )
]
