"""How many items a caller may send at all: nobody's quota of a day allows for more, so nothing behind them is read."""

from __future__ import annotations

import time
from typing import Final, NoReturn

from apps.api.attempting import note_read
from apps.api.batches.body import BatchBody, read_batch_body
from apps.api.body import read_text
from apps.api.request import Request
from libs import limits
from libs.admission.rate import refused

__all__ = ["read_items"]

_DAY_S: Final = 86_400


async def read_items(request: Request) -> BatchBody:
    """The body of a batch, read through up to the first item that its caller's quota can never allow for.

    An item is a unit at least. Refuses what `read_batch_body` does, and `quota_exceeded`.
    """
    text, quota = await read_text(request), request.caller.limits.units_per_day

    def too_many(_count: int) -> NoReturn:
        told = f"The quota of {quota} units a day does not allow for this; it renews at 00:00 UTC"
        raise refused("quota_exceeded", told, (), "jobs", _DAY_S - time.time() % _DAY_S)

    items_max = limits.BATCH_ITEMS_MAX if quota is None else min(quota, limits.BATCH_ITEMS_MAX)
    if len(text) <= limits.BODY_SMALL_BYTES_MAX:
        return await read_batch_body(text, items_max=items_max, too_many=too_many)
    async with request.api.turns.of(request.caller.user_id):
        body = await read_batch_body(text, items_max=items_max, too_many=too_many)
    note_read(request, values=body.values)
    return body
