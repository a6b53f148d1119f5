"""Who am I, and what is left."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from apps.api.answers.answer import Me
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import ANY_KEY, route
from apps.api.views.user import limits_view, rates_view
from libs.admission.rate import Bucket, take
from libs.artifacts.storage import stored_bytes
from libs.jobs.record_bytes import record_bytes

__all__ = ["ROUTES"]

_DAY_S = 86_400
_BUCKETS: tuple[Bucket, ...] = ("submits", "reads", "uploads")


async def me(request: Request) -> Response:
    """The caller: user, api key, plan, limits, and what is left of them now."""
    caller = request.caller
    units, stored, recorded, *rates = await asyncio.gather(
        _units(request), _bytes(request), _record_bytes(request), *[_remaining(request, bucket) for bucket in _BUCKETS]
    )
    return Json(
        {
            "id": caller.user_id,
            "email": caller.email,
            "plan": caller.plan,
            "api_key": {
                "id": caller.api_key_id,
                "name": caller.api_key_name,
                "scopes": sorted(caller.scopes),
                "limits": rates_view(caller.rates),
            },
            "limits": limits_view(caller.limits),
            "left": {
                "units_today": units,
                "stored_bytes": stored,
                "records_bytes": recorded,
                **dict(zip(_BUCKETS, rates, strict=True)),
            },
        }
    )


async def _units(request: Request) -> int | None:
    """Units of today that are neither used nor held; None is unlimited."""
    quota, store = request.caller.limits.units_per_day, request.home
    if quota is None:
        return None
    day = int((await store.call("TIME"))[0]) // _DAY_S
    taken = await store.call("HMGET", f"{store.keys.usage}{request.caller.user_id}:{day}", "held", "used")
    return max(0, quota - sum(int(units or 0) for units in taken))


async def _bytes(request: Request) -> int | None:
    """Bytes that may yet be stored; None is unlimited."""
    ceiling = request.caller.limits.stored_bytes_max
    if ceiling is None:
        return None
    return max(0, ceiling - await stored_bytes(request.home, request.caller.user_id))


async def _record_bytes(request: Request) -> int | None:
    """Bytes that jobs and batches may yet have in Redis; None is unlimited."""
    ceiling = request.caller.limits.records_bytes_max
    if ceiling is None:
        return None
    return max(0, ceiling - await record_bytes(request.home, request.caller.user_id))


async def _remaining(request: Request, bucket: Bucket) -> int | None:
    rule = request.api.rate_rule
    if rule is None:
        return None
    return (await take(request.home, request.caller, bucket, rule, spend=0)).remaining


ROUTES = [route("GET", "/api/v1/me", me, scope=ANY_KEY, bucket="reads", answers={200: Me})]
