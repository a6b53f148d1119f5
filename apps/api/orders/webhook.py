"""What callers say of webhooks: the bodies of the routes, and the webhook that a job or a batch names for itself."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from apps.api.request import Request
from libs import limits
from libs.egress import Target, UrlError, parse_target
from libs.errors import invalid
from libs.strict import Strict, at_most
from libs.webhooks.endpoints import open_default
from libs.webhooks.event import BATCH_EVENTS, DEFAULT_EVENTS, JOB_ENDINGS
from libs.webhooks.hook import Hook, receiver_of

__all__ = ["BatchWebhook", "EndpointChanges", "JobWebhook", "NewEndpoint", "hook_of", "target_of"]

_EVENTS_MAX: Final = 32
JobEvent = Literal[
    "job.scheduled", "job.queued", "job.running", "job.succeeded", "job.failed", "job.canceled", "job.expired"
]
BatchEvent = Literal["batch.finished", "batch.canceled"]
Event = Literal[JobEvent, BatchEvent]
#: b64token of RFC 6750: what may stand in a header, and nothing that would end it.
Token = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._~+/-]+=*$", min_length=1, max_length=limits.WEBHOOK_TOKEN_LENGTH_MAX)
]
Description = Annotated[str, Field(max_length=limits.WEBHOOK_DESCRIPTION_LENGTH_MAX)]


class JobWebhook(Strict):
    """A webhook of one job: where its events go, its endings when nobody says which."""

    url: str
    events: Annotated[list[JobEvent], Field(min_length=1, max_length=_EVENTS_MAX), at_most(_EVENTS_MAX)] = Field(
        list(JOB_ENDINGS)
    )
    bearer_token: Token | None = None


class BatchWebhook(Strict):
    """A webhook of one batch: where its event goes, whichever it is when nobody says."""

    url: str
    events: Annotated[list[BatchEvent], Field(min_length=1, max_length=_EVENTS_MAX), at_most(_EVENTS_MAX)] = Field(
        list(BATCH_EVENTS)
    )
    bearer_token: Token | None = None


class NewEndpoint(Strict):
    """POST /api/v1/webhooks."""

    url: str
    events: Annotated[list[Event], Field(min_length=1, max_length=_EVENTS_MAX), at_most(_EVENTS_MAX)] = Field(
        list(DEFAULT_EVENTS)
    )
    description: Description = ""
    bearer_token: Token | None = None


class EndpointChanges(Strict):
    """PATCH /api/v1/webhooks/{id}; a bearer token of null takes it away."""

    url: str | None = None
    events: Annotated[list[Event], Field(min_length=1, max_length=_EVENTS_MAX), at_most(_EVENTS_MAX)] | None = None
    description: Description | None = None
    bearer_token: Token | None = None
    enabled: bool | None = None

    def members(self) -> dict[str, str]:
        """Members of the record that are to change as they are."""
        events = None if self.events is None else " ".join(dict.fromkeys(self.events))
        told = {"url": self.url, "events": events, "description": self.description}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def token(self) -> str | None:
        """The new token; an empty one takes it away, None leaves it."""
        return (self.bearer_token or "") if "bearer_token" in self.model_fields_set else None


def target_of(request: Request, url: str, where: str = "#/url") -> Target:
    """Refuse an address that nothing is sent to; its name is looked up at each delivery, and may be refused still."""
    try:
        return parse_target(url, request.api.egress_rules)
    except UrlError as error:
        raise invalid(where, str(error), "url_not_allowed") from None


async def hook_of(request: Request, wanted: JobWebhook | BatchWebhook) -> Hook:
    """The webhook as a record keeps it; from now on its user has a secret that such are signed with."""
    target = target_of(request, wanted.url, "#/webhook/url")
    user_id, secrets = request.caller.user_id, request.resources.webhook_secrets
    await open_default(request.home, secrets, user_id)
    words = tuple(dict.fromkeys(event.partition(".")[2] for event in wanted.events))
    token = secrets.seal(wanted.bearer_token, user_id) if wanted.bearer_token else None
    return Hook(wanted.url, receiver_of(user_id, target.authority), words, token)
