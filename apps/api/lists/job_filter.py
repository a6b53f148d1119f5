"""Which jobs a list shows: `?status=&kind=&created_after=`."""

from __future__ import annotations

from datetime import datetime

from apps.api.lists.paging import bad_parameter
from apps.api.request import Request
from libs.jobs.lookup import Wanted
from libs.jobs.status import STATUSES

__all__ = ["wanted_jobs"]


def wanted_jobs(request: Request) -> Wanted:
    """What the query asks for; refuses `validation_failed`."""
    query = request.query_params
    status = query.get("status")
    if status is not None and status not in STATUSES:
        raise bad_parameter("status", f"The status is one of: {', '.join(STATUSES)}")
    return Wanted(status=status, kind=query.get("kind"), created_after_ms=_created_after_ms(query.get("created_after")))


def _created_after_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise bad_parameter("created_after", "A time as in RFC 3339, with its offset: 2026-01-31T12:00:00Z")
    return int(at.timestamp() * 1000)
