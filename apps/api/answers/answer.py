"""What the API answers, as models: the OpenAPI document is made from them, and tests hold every answer against it.

The JSON itself is made in `views`, from what is stored; nothing is validated on its way out.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from libs.access.plan_numbers import AllNumbers
from libs.jobs.status import Status

__all__ = [
    "Answer",
    "Artifact",
    "Artifacts",
    "Count",
    "Day",
    "FetchedUpload",
    "Job",
    "Me",
    "Month",
    "NewUploadUrl",
    "OwnUsage",
    "Page",
    "Rates",
    "StreamToken",
    "Time",
]

Time = Annotated[str, Field(description="RFC 3339, in UTC", json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Rates = dict[str, int]
DataT = TypeVar("DataT")


class Answer(BaseModel):
    """Base of every answer: it has these members and no other."""

    model_config = ConfigDict(extra="forbid")


class Page(Answer, Generic[DataT]):
    """A page of a list; `next_cursor` asks for the next one, as the `Link` header does."""

    data: list[DataT]
    has_more: bool
    next_cursor: str | None


class Artifact(Answer):
    """A file that a job left behind. Pictures tell their width, height and seed besides."""

    model_config = ConfigDict(extra="allow")

    name: str
    content_type: str
    size_bytes: Count
    sha256: str
    url: str
    url_expires_at: Time


class Artifacts(Answer):
    """Every artifact of a job."""

    data: list[Artifact]


class JobUsage(Answer):
    """What a job cost."""

    queue_seconds: float | None
    run_seconds: float
    units: int


class JobLinks(Answer):
    """Where to go from a job."""

    self: str
    events: str
    artifacts: str
    cancel: str


class Job(Answer):
    """A job."""

    id: str
    kind: str
    status: Status
    cached: bool = Field(description="Whether the result of an earlier job was taken: at once, and free of charge")
    progress: dict[str, Any] | None
    queue_position: int | None
    estimated_start_at: Time | None
    attempt: int
    priority: int
    input: dict[str, Any]
    output: dict[str, Any] | None
    artifacts: list[Artifact]
    error: dict[str, Any] | None
    usage: JobUsage
    metadata: dict[str, Any]
    fairness_key: str | None
    retry_of: str | None
    batch_id: str | None
    batch_index: int | None
    created_at: Time
    run_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    cancel_requested_at: Time | None
    deadline_at: Time
    links: JobLinks


class StreamToken(Answer):
    """A token that opens one job's events; `expires_in` is in seconds."""

    token: str
    job_id: str
    expires_in: int


class UploadLinks(Answer):
    """Where to go from an upload."""

    self: str
    complete: str


class FetchedUpload(Answer):
    """An upload."""

    id: str
    status: str
    filename: str
    content_type: str
    size_bytes: Count
    sha256: str | None
    page_count: int | None
    created_at: Time
    expires_at: Time
    links: UploadLinks


class NewUploadUrl(FetchedUpload):
    """An upload that waits for its bytes: send them to `url` by `method`, with these `headers`, which are signed.

    One that is sent in parts has no `url`: each `part_bytes` of it, and what is left, go to the next of `part_urls`.
    """

    method: Literal["PUT"]
    url: str | None
    headers: dict[str, str]
    part_bytes: Count | None
    part_urls: list[str] | None


class MyKey(Answer):
    """The api key that asks."""

    id: str
    name: str
    scopes: list[str]
    limits: Rates


class Left(Answer):
    """What is left now; null is unlimited."""

    units_today: int | None
    stored_bytes: int | None
    records_bytes: int | None
    submits: int | None
    reads: int | None
    uploads: int | None


class Me(Answer):
    """The caller."""

    id: str
    email: str
    plan: str
    api_key: MyKey
    limits: AllNumbers
    left: Left


class Used(Answer):
    """What was used in a period; units of unfinished jobs are held, and told for days only."""

    units_used: int
    units_held: int | None
    by_kind: dict[str, int]


class Day(Used):
    """What was used in a day."""

    day: str


class Month(Used):
    """What was used in a month."""

    month: str


class OwnUsage(Answer):
    """What the caller used."""

    data: list[Day] | list[Month]
    units_used: int
