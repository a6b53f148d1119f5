"""What the webhook routes answer, and the JSON that is made of what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from apps.api.answers.answer import Answer, Count, Job, Time
from apps.api.answers.batch import Batch
from libs.jobs.view import stamp
from libs.webhooks.delivery import Delivery as StoredDelivery
from libs.webhooks.delivery import DeliveryStatus
from libs.webhooks.endpoint import DisabledReason
from libs.webhooks.endpoint import Endpoint as StoredEndpoint
from libs.webhooks.endpoints import DEFAULT

__all__ = [
    "TOLD",
    "Delivery",
    "Endpoint",
    "NewSecret",
    "SigningSecret",
    "delivery_view",
    "endpoint_name",
    "endpoint_view",
]

_PATH = "/api/v1/webhooks"


class EndpointLinks(Answer):
    """Where to go from an endpoint."""

    self: str
    deliveries: str


class Endpoint(Answer):
    """A webhook endpoint. `default` is that of the webhooks that jobs and batches name themselves: it has no URL
    of its own.

    `pending` deliveries are on their way; `dropped` ones found 100,000 others waiting.
    """

    id: str
    url: str | None
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: Time | None
    failing_since: Time | None
    last_delivered_at: Time | None
    last_failed_at: Time | None
    has_bearer_token: bool
    secret_rotated_at: Time | None
    former_secret_expires_at: Time | None
    pending: Count
    dropped: Count
    created_at: Time | None
    links: EndpointLinks


class NewSecret(Endpoint):
    """An endpoint whose secret was just made: this once it stands here."""

    secret: str


class SigningSecret(Answer):
    """What the webhooks that jobs and batches name themselves are signed with."""

    secret: str


class Attempt(Answer):
    """One attempt: the status of the answer, or what went wrong before there was one."""

    at: Time
    took_ms: Count
    status: int | None
    error: str | None


class Delivery(Answer):
    """A delivery; `id` is the `webhook-id` of every attempt. The newest 20 attempts are told."""

    id: str
    endpoint_id: str
    event: str
    about: str
    sequence: Count
    status: DeliveryStatus
    event_at: Time
    next_attempt_at: Time | None
    attempts: list[Attempt]


class NumberedJob(Job):
    """A job as it is when it is delivered; `sequence` orders its events."""

    sequence: Count


class JobEvent(Answer):
    """What a receiver is told of a job."""

    type: str
    timestamp: Time
    data: NumberedJob


class NumberedBatch(Batch):
    """A batch that is over; it has one event."""

    sequence: Count


class BatchEvent(Answer):
    """What a receiver is told of a batch."""

    type: str
    timestamp: Time
    data: NumberedBatch


class PingData(Answer):
    """Which endpoint is tried."""

    webhook_id: str


class PingEvent(Answer):
    """What a receiver is told to try it."""

    type: Literal["webhook.ping"]
    timestamp: Time
    data: PingData


#: What is sent to receivers, by what it is about.
TOLD: Mapping[str, type[Answer]] = {"job": JobEvent, "batch": BatchEvent, "ping": PingEvent}


def endpoint_name(endpoint_id: str) -> str:
    """What callers call an endpoint."""
    return endpoint_id if endpoint_id.startswith("whk_") else DEFAULT


def endpoint_view(endpoint: StoredEndpoint, pending: int) -> dict[str, Any]:
    """An endpoint without its secret."""
    path = f"{_PATH}/{endpoint_name(endpoint.id)}"
    return {
        "id": endpoint_name(endpoint.id),
        "url": endpoint.url or None,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.disabled is None,
        "disabled_reason": endpoint.disabled,
        "disabled_at": stamp(endpoint.disabled_at_ms),
        "failing_since": stamp(endpoint.failing_since_ms),
        "last_delivered_at": stamp(endpoint.delivered_at_ms),
        "last_failed_at": stamp(endpoint.failed_at_ms),
        "has_bearer_token": endpoint.sealed_token is not None,
        "secret_rotated_at": stamp(endpoint.rotated_at_ms),
        "former_secret_expires_at": stamp(endpoint.former_until_ms),
        "pending": pending,
        "dropped": endpoint.dropped,
        "created_at": stamp(endpoint.created_at_ms or None),
        "links": {"self": path, "deliveries": f"{path}/deliveries"},
    }


def delivery_view(delivery: StoredDelivery) -> dict[str, Any]:
    """A delivery and its attempts, oldest first."""
    return {
        "id": delivery.id,
        "endpoint_id": endpoint_name(delivery.endpoint_id),
        "event": delivery.event,
        "about": delivery.about,
        "sequence": delivery.sequence,
        "status": delivery.status,
        "event_at": stamp(delivery.at_ms),
        "next_attempt_at": stamp(delivery.next_attempt_at_ms),
        "attempts": [
            {"at": stamp(each.at_ms), "took_ms": each.took_ms, "status": each.status, "error": each.error}
            for each in delivery.attempts
        ],
    }
