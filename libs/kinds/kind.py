"""What a kind of job is: the contract between a handler and everything that runs it.

A handler is an async function of its validated input and an attempt. It reaches backends and uploads through
the attempt, and nothing of Redis, S3, ARQ or HTTP. To add a kind, add a file with a `KIND` in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import Field

from libs import limits
from libs.access.plan import Limits
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.uploads import UploadedFile
from libs.backends.backends import Backends
from libs.backends.fleet.needs import Needs
from libs.backends.submission import Submission
from libs.errors import Fault
from libs.jobs.status import StopReason
from libs.strict import Strict
from libs.workflows.library import Library

__all__ = [
    "Attempt",
    "CacheableInput",
    "InlineFile",
    "Input",
    "Kind",
    "Library",
    "Needs",
    "Offer",
    "Output",
    "ResultCache",
    "StopReason",
    "Submission",
    "Wait",
]


class Input(Strict):
    """Base of every kind's input: unknown members are refused, values are not coerced from other types."""


class CacheableInput(Input):
    """The input of a kind whose results may be taken from earlier jobs; by default they are not."""

    cache: bool = Field(
        default=False, description="Whether a result will do that the same input had within a day: at once, and free"
    )


InputT = TypeVar("InputT", bound=Input)


@dataclass(frozen=True, slots=True)
class Output:
    """What a handler returns: a JSON object for the caller, and files to keep."""

    value: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[NewArtifact, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What a handler returns while a provider works: look again in `check_in_s`, or when the provider calls back.

    Until then the job holds no slot and is charged nothing; its submission says what it waits for.
    """

    check_in_s: float


@dataclass(frozen=True, slots=True)
class Offer:
    """What the backends of a kind offer now, as the workers last published it; empty where nothing is known yet."""

    catalogue: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file that may stand in an input itself, as base64 or as a data URL.

    It is made an upload of the caller's before the job is admitted, so that no record ever holds it: the member
    `inline` is taken out, and `upload` set to the upload's id. `types` and `bytes_max` are what it may be.
    """

    inline: str
    upload: str
    types: frozenset[str]
    bytes_max: int


@dataclass(frozen=True, slots=True)
class ResultCache:
    """Results may be kept for a day, for jobs with the same input and the same bytes behind its uploads.

    `version` is that of the work: raise it when the same input would give another result. The kind's input is a
    CacheableInput, whose `cache` says whether one job takes part.
    """

    version: int = 1


class Attempt(Protocol):
    """One attempt at a job, as its handler sees it."""

    @property
    def job_id(self) -> str:
        """The job's id."""

    @property
    def number(self) -> int:
        """Which attempt this is, from 1."""

    @property
    def backends(self) -> Backends:
        """The backends this worker reaches."""

    @property
    def library(self) -> Library:
        """What is registered: workflows, and the node classes of the backend."""

    @property
    def submission(self) -> Submission | None:
        """What an earlier attempt submitted to a backend: it may be waiting, running, done or lost there."""

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the handler was stopped, once `asyncio.CancelledError` is raised in it."""

    async def submitted(self, submission: Submission) -> None:
        """Record a submission; to be awaited before the backend is called."""

    async def progress(self, done: float, total: float, message: str = "") -> None:
        """Report progress; at most two reports a second are published, the latest wins."""

    async def log(self, message: str) -> None:
        """Tell the job's followers one line."""

    async def preview(self, picture: bytes, content_type: str) -> None:
        """Show the job's followers a small picture of the work so far; dropped when too many or over 64 KiB."""

    async def open(self, upload_id: str) -> UploadedFile:
        """The bytes of a completed upload of this job's user; raises Failure when there is none."""

    async def share(self, upload_id: str) -> str | None:
        """An address that a completed upload can be fetched from by those outside, for an hour.

        None where the object store has no public address; raises Failure when there is no such upload.
        """


def _one_unit(_wanted: Any) -> int:
    return 1


def _no_scopes(_wanted: Any) -> Collection[str]:
    return ()


def _no_uploads(_wanted: Any) -> Sequence[str]:
    return ()


def _no_urls(_wanted: Any) -> Mapping[str, str]:
    return {}


def _ours(_wanted: Any) -> Fault:
    return "ours"


def _no_needs(_wanted: Any) -> Needs | None:
    return None


def _no_objection(_wanted: Any, _offer: Offer, _limits: Limits) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Kind(Generic[InputT]):
    """A kind of job.

    `queue` names the class of workers that run it. `cost` is the number of units a job reserves.
    `page_cost` is that number where it depends on how many pages its uploads have; it may refuse too many of them.
    At submission an input goes through, in this order: `scopes`, what the caller's api key must have beside
    jobs:write; `resolve`, the one step that may wait: it looks up in the library what the input refers to, and
    returns the input with all of it fixed, or refuses (raises Refusal); then `prepare` and `check`.
    `prepare` may complete an input at submission (draw a seed); `check` may refuse it (raises Refusal) against
    what the backend offers and what the plan allows; both are pure and quick. A handler that runs longer than
    `soft_timeout_s` is asked to stop, at `timeout_s` (or JOB_TIMEOUT, where that is less) it is stopped. `timeout_of`
    looks up a time that counts in place of both. `slow_fault` says of an input whose fault that is: too much was sent,
    which is charged and not tried again, or we were too slow. `attempts_max` counts failures, not crashes.
    `uploads` names the uploads an input refers to: at submission each must be complete and the caller's own, and of
    one of `upload_types` where those are given.
    `urls` are the addresses in an input, by member (`a/b` is within `a`): the egress guard's rules are applied at
    submission too.
    `drawn` names members that `prepare` leaves to chance: variants that are compared share what was drawn.
    `inline_file` says which member may be a file. `backend` names the catalogue that `check` is given.
    `cache` is for kinds whose results may stand for those of the same work done again.
    `needs` says what of the fleet a job needs: it is claimed together with a slot of a server that offers all of that,
    and `attempt.backends.comfyui` is this server. It is asked at submission, of the input as `prepare` left it.
    `abandon` ends what an earlier attempt submitted, for a job that was canceled while no worker held it.
    `body_bytes_max` and `body_values_max` are what an order of the kind may have as JSON, its envelope included; None
    is as many bytes as any body. They are counted before a tree is built.
    """

    name: str
    queue: str
    input: type[InputT]
    run: Callable[[InputT, Attempt], Awaitable[Output | Wait]]
    summary: str = ""
    scopes: Callable[[InputT], Collection[str]] = _no_scopes
    resolve: Callable[[InputT, Library], Awaitable[InputT]] | None = None
    cost: Callable[[InputT], int] = _one_unit
    page_cost: Callable[[InputT, int], int] | None = None
    prepare: Callable[[InputT], InputT] | None = None
    drawn: tuple[str, ...] = ()
    check: Callable[[InputT, Offer, Limits], None] = _no_objection
    uploads: Callable[[InputT], Sequence[str]] = _no_uploads
    upload_types: frozenset[str] | None = None
    urls: Callable[[InputT], Mapping[str, str]] = _no_urls
    inline_file: InlineFile | None = None
    cache: ResultCache | None = None
    backend: str | None = None
    needs: Callable[[InputT], Needs | None] = _no_needs
    abandon: Callable[[InputT, Attempt], Awaitable[None]] | None = None
    timeout_s: float = 300
    soft_timeout_s: float | None = None
    slow_fault: Callable[[InputT], Fault] = _ours
    timeout_of: Callable[[InputT, Library], Awaitable[float | None]] | None = None
    attempts_max: int = 3
    body_bytes_max: int | None = limits.ORDER_BYTES_MAX
    body_values_max: int = limits.ORDER_VALUES_MAX
