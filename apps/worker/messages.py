"""What a webhook is told: the body, made when it is delivered, and where it goes.

An event is about something: a job as the API shows it now, with fresh URLs for its artifacts. A family of events is one
entry in `_SUBJECTS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.batches.lookup import find_batch
from libs.batches.view import batch_view
from libs.jobs.view import job_view, signed_url, stamp
from libs.store.client import Store
from libs.webhooks.endpoint import Endpoint
from libs.webhooks.endpoints import find_endpoint
from libs.webhooks.hook import Hook, read_hook
from libs.webhooks.outbox import Due
from libs.webhooks.secrets import Secrets
from libs.webhooks.signature import signed_headers

__all__ = ["Message", "Messages", "UnsignableError"]


class UnsignableError(Exception):
    """The secret or token of an endpoint is lost with the pepper that it was made with."""


@dataclass(frozen=True, slots=True)
class Message:
    """One POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about, as its receiver sees it; and the webhook that it names itself, if it does."""

    data: dict[str, Any]
    hook: Hook | None = None
    traceparent: str | None = None


class Messages:
    """Makes the POST of a delivery from what is stored now."""

    def __init__(self, store: Store, records: Records, objects: Objects, secrets: Secrets) -> None:
        """`records` finds jobs, old ones too; `secrets` signs, and opens what was sealed."""
        self.store = store
        self.records = records
        self.objects = objects
        self._secrets = secrets

    async def of(self, due: Due) -> Message | None:
        """The message, or None when there is nothing to tell any more: job or endpoint is gone.

        Raises UnsignableError.
        """
        endpoint = await find_endpoint(self.store, due.endpoint_id)
        subject = await _SUBJECTS[due.event.partition(".")[0]](self, due)
        if endpoint is None or subject is None:
            return None
        url, sealed_token = endpoint.url, endpoint.sealed_token
        if endpoint.is_default:
            if subject.hook is None:
                return None
            url, sealed_token = subject.hook.url, subject.hook.sealed_token
        body = orjson.dumps({"type": due.event, "timestamp": stamp(due.at_ms), "data": subject.data})
        headers = {"Content-Type": "application/json", **self._signature(endpoint, due, body)}
        if sealed_token:
            headers["Authorization"] = f"Bearer {self._token(sealed_token, due.user_id)}"
        if subject.traceparent:
            headers["traceparent"] = subject.traceparent
        return Message(url, headers, body)

    def _signature(self, endpoint: Endpoint, due: Due, body: bytes) -> dict[str, str]:
        """By Redis's clock: receivers refuse what a worker signs whose own is minutes off."""
        names = endpoint.secrets_at(due.now_ms)
        keys = [key for name in names if (key := self._secrets.signing_key(endpoint.id, name)) is not None]
        if not keys:
            raise UnsignableError("the pepper of its secret is known no more: its owner has to rotate it")
        return signed_headers(keys, due.id, due.now_ms // 1000, body)

    def _token(self, sealed: str, user_id: str) -> str:
        token = self._secrets.unseal(sealed, user_id)
        if token is None:
            raise UnsignableError("the pepper of its bearer token is known no more: its owner has to set it anew")
        return token


async def _job(messages: Messages, due: Due) -> Subject | None:
    job = await messages.records.find_job(due.user_id, due.about)
    if job is None:
        return None
    view = job_view(job, lambda job, artifact: signed_url(messages.objects, job, artifact))
    return Subject({**view, "sequence": due.sequence}, read_hook(job.webhook, job.webhook_to), job.traceparent)


async def _batch(messages: Messages, due: Due) -> Subject | None:
    batch = await find_batch(messages.store, due.about)
    if batch is None or batch.user_id != due.user_id:
        return None
    view = {**batch_view(messages.objects, batch), "sequence": due.sequence}
    return Subject(view, read_hook(batch.webhook, batch.webhook_to), batch.traceparent)


async def _ping(_messages: Messages, due: Due) -> Subject:
    return Subject({"webhook_id": due.about})


_SUBJECTS: Mapping[str, Callable[[Messages, Due], Awaitable[Subject | None]]] = {
    "job": _job,
    "batch": _batch,
    "webhook": _ping,
}
