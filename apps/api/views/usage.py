"""Usage as callers and admins see it: which periods a query means, and JSON or CSV (RFC 4180) of what was used then."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from apps.api.lists.paging import bad_parameter
from apps.api.request import Request
from libs.accounts.usage import DAYS_MAX, MONTHS_MAX, Period, Span, Usage, days, months, today

__all__ = ["CSV", "csv_lines", "read_periods", "usage_view", "wants_csv"]

CSV = "text/csv; charset=utf-8; header=present"
_DAYS, _MONTHS = 30, 12
_CSV_IN_ACCEPT = re.compile(r"(?:^|,)\s*text/csv\s*(?:$|[,;])", re.IGNORECASE)
_DATE = re.compile(r"(2\d{3})-(\d\d)-(\d\d)", re.ASCII)
#: What a spreadsheet would run as a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")


async def read_periods(request: Request, *, default: Span = "day", default_count: int | None = None) -> list[Period]:
    """The periods that `?by=day|month&from=&to=` means, oldest first; refuses what lies further back than is kept."""
    by = request.query_params.get("by", default)
    if by not in ("day", "month"):
        raise bad_parameter("by", "One of: day, month")
    last = _read_date(request, "to", by) or await today(request.resources.store)
    first = _read_date(request, "from", by)
    if first is not None and first > last:
        raise bad_parameter("from", "It lies behind `to`")
    if by == "day":
        count = (last - first).days + 1 if first else default_count or _DAYS
        return days(last, _bounded(count, DAYS_MAX))
    count = (last.year - first.year) * 12 + last.month - first.month + 1 if first else default_count or _MONTHS
    return months(last, _bounded(count, MONTHS_MAX))


def usage_view(usage: Usage) -> dict[str, Any]:
    """One period."""
    return {
        usage.period.span: usage.period.name,
        "units_used": usage.used,
        "units_held": usage.held,
        "by_kind": dict(usage.by_kind),
    }


def wants_csv(request: Request) -> bool:
    """Whether `?format=csv` or `Accept: text/csv` asks for it; refuses any other format."""
    wish = request.query_params.get("format")
    if wish not in (None, "csv", "json"):
        raise bad_parameter("format", "One of: csv, json")
    return wish == "csv" or (wish is None and _CSV_IN_ACCEPT.search(request.headers.get("accept", "")) is not None)


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV. Text that would be a formula where a spreadsheet opens it is quoted by an apostrophe."""
    text = io.StringIO()
    csv.writer(text).writerows([[_plain(cell) for cell in row] for row in rows])
    return text.getvalue()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _bounded(count: int, most: int) -> int:
    if count > most:
        raise bad_parameter("from", f"At most {most} of them")
    return count


def _read_date(request: Request, name: str, by: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    match = _DATE.fullmatch(f"{text}-01" if by == "month" and len(text) == len("2026-11") else text)
    with suppress(ValueError):
        if match is not None:
            return date(int(match[1]), int(match[2]), int(match[3]))
    raise bad_parameter(name, "A date such as 2026-11-22, or for months 2026-11")
