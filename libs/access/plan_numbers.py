"""The numbers of a plan as someone writes them down: in a file, in the admin API, or over one user's plan."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from libs.access.plan import Limits
from libs.strict import Strict

__all__ = ["PLAN_NAME", "AllNumbers", "SomeNumbers", "numbers_of"]

PLAN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

_MANY = 2**53 - 1
_TEN_YEARS_S = 10 * 365 * 86_400
_WEEK_S = 7 * 86_400

Count = Annotated[int, Field(ge=0, le=_MANY)]
#: A rate of none a minute would be no rate; who is to do nothing is suspended. So with slots: without any, what waits
#: at a provider could not even be fetched, and what is paid for already would never end.
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
Attempts = Annotated[int, Field(ge=1, le=1_000)]
Weight = Annotated[int, Field(ge=1, le=1_000)]
Slots = Annotated[int, Field(ge=1, le=100_000)]
UrlLife = Annotated[int, Field(ge=60, le=_WEEK_S)]
Retention = Annotated[int, Field(ge=60, le=_TEN_YEARS_S)]


class AllNumbers(Strict):
    """A whole plan: every number, null for unlimited. What plans did not have from the start may be left out."""

    units_per_day: Count | None
    slots: Slots
    submits_per_minute: Rate | None
    reads_per_minute: Rate | None
    uploads_per_minute: Rate | None
    queued_max: Count
    pictures_per_job: Count
    artifact_url_ttl_s: UrlLife
    retention_s: Retention
    weight: Weight
    stored_bytes_max: Count | None = None
    records_bytes_max: Count | None = None
    shares_results: bool = False
    attempts_per_submit: Attempts = 20

    def limits(self) -> Limits:
        """The plan."""
        return Limits(**self.model_dump())


def _without_defaults(schema: dict[str, Any]) -> None:
    for told in schema["properties"].values():
        told.pop("default", None)


class SomeNumbers(Strict):
    """Those numbers of a plan that differ for one user; what is absent is the plan's, whatever default it has here."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    units_per_day: Count | None = None
    slots: Slots = 1
    submits_per_minute: Rate | None = None
    reads_per_minute: Rate | None = None
    uploads_per_minute: Rate | None = None
    queued_max: Count = 0
    pictures_per_job: Count = 0
    artifact_url_ttl_s: UrlLife = 60
    retention_s: Retention = 60
    weight: Weight = 1
    stored_bytes_max: Count | None = None
    records_bytes_max: Count | None = None
    shares_results: bool = False
    attempts_per_submit: Attempts = 20

    def given(self) -> dict[str, int | None]:
        """The numbers that were given."""
        return self.model_dump(exclude_unset=True)


def numbers_of(limits: Limits) -> dict[str, int | None]:
    """The numbers of a plan by name."""
    return asdict(limits)
