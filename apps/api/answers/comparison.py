"""What the API answers about comparisons, as models for the OpenAPI document; see `answer`."""

from __future__ import annotations

from typing import Any, Literal

from apps.api.answers.answer import Answer, Job, Time

__all__ = ["ComparedJobs", "Comparison"]


class Variant(Answer):
    """A variant: its name, what it changes of the common input, and its job."""

    name: str
    input: dict[str, Any]
    job_id: str


class VariantAndJob(Variant):
    """A variant and its job as it is now; null once the job is past its retention."""

    job: Job | None


class Links(Answer):
    """Where to go on."""

    self: str
    cancel: str


class Comparison(Answer):
    """A comparison, as a list shows it."""

    id: str
    kind: str
    variants: list[Variant]
    created_at: Time
    links: Links


class ComparedJobs(Comparison):
    """A comparison with the jobs of its variants. It runs until the last of them has ended."""

    variants: list[VariantAndJob]  # type: ignore[assignment]  # the same, and more
    status: Literal["running", "finished", "canceled"]
