"""What the lists of the API may be asked, as models: for the OpenAPI document, and to know a misspelled parameter by.

The endpoints read the values themselves. A default is what an absent parameter means; None and "" mean nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from apps.api.lists.paging import bad_parameter
from apps.api.request import Request
from libs import limits
from libs.jobs.status import Status

__all__ = [
    "ActQuery",
    "AllJobsQuery",
    "AllUsageQuery",
    "ItemQuery",
    "JobQuery",
    "PageQuery",
    "UsageQuery",
    "UserQuery",
    "UsersQuery",
    "VersionQuery",
    "refuse_unknown",
]

_NAME_SHOWN = 64
_DATE = r"^2\d{3}-\d\d(-\d\d)?$"


class PageQuery(BaseModel):
    """Any list."""

    limit: Annotated[int, Field(ge=1, le=limits.PAGE_SIZE_MAX, description="Entries on a page")] = limits.PAGE_SIZE
    cursor: Annotated[str, Field(description="`next_cursor` of the page before")] = ""


class JobQuery(PageQuery):
    """Lists of jobs."""

    status: Annotated[Status | None, Field(description="Jobs of this status alone")] = None
    kind: Annotated[str, Field(description="Jobs of this kind alone")] = ""
    created_after: Annotated[AwareDatetime | None, Field(description="Younger jobs alone, RFC 3339")] = None


class ItemQuery(PageQuery):
    """Lists of a batch's items."""

    status: Annotated[Status | None, Field(description="Items of this status alone")] = None


class UserQuery(PageQuery):
    """Lists of what users have."""

    user_id: Annotated[str, Field(description="What this user has")] = ""


class UsersQuery(PageQuery):
    """The list of users."""

    email: Annotated[str, Field(description="The user of this address alone")] = ""


class AllJobsQuery(JobQuery, UserQuery):
    """The list of all users' jobs."""


class ActQuery(PageQuery):
    """The audit log."""

    act: Annotated[str, Field(description="Acts of this name alone")] = ""
    on: Annotated[str, Field(description="Acts on this id alone")] = ""
    actor: Annotated[str, Field(description="Acts of this user alone")] = ""


class UsageQuery(BaseModel):
    """Usage."""

    by: Annotated[Literal["day", "month"], Field(description="What the periods are")] = "day"
    first: Annotated[str, Field(alias="from", pattern=_DATE, description="The first day, or month")] = ""
    last: Annotated[str, Field(alias="to", pattern=_DATE, description="The last day, or month")] = ""
    format: Annotated[Literal["json", "csv"] | None, Field(description="As `Accept` says when absent")] = None


class VersionQuery(BaseModel):
    """A workflow."""

    version: Annotated[int | None, Field(ge=1, le=999_999_999, description="In this version, or the newest")] = None


class AllUsageQuery(UsageQuery, PageQuery):
    """Usage of all users."""


def refuse_unknown(request: Request, known: type[BaseModel]) -> None:
    """Refuse a parameter that is not there: a filter with a typing error would let everything through."""
    names = [field.alias or name for name, field in known.model_fields.items()]
    for name in request.query_params:
        if name not in names:
            detail = f"There is no such parameter; there are: {', '.join(sorted(names))}"
            raise bad_parameter(name[:_NAME_SHOWN], detail, "unknown_parameter")
