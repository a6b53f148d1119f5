"""What a caller orders: the body of a submission, read and checked, up to the point of asking for admission."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BeforeValidator, Field, create_model

from apps.api.body import large_turn
from apps.api.json_text import Ceilings
from apps.api.orders.metadata import Metadata
from apps.api.orders.outside import require_urls, stowed
from apps.api.orders.webhook import JobWebhook, hook_of
from apps.api.request import Request
from apps.api.validation import validated
from libs import limits
from libs.access.caller import Caller
from libs.admission.admit import Application, fingerprint
from libs.artifacts.upload import Upload
from libs.artifacts.uploads import load_upload, retain_upload
from libs.errors import Refusal, invalid, pointer
from libs.kinds import KINDS
from libs.kinds.kind import Input, Kind
from libs.kinds.result import result_digest
from libs.strict import Strict
from libs.webhooks.hook import Hook

__all__ = [
    "ANY_ORDER",
    "BODIES",
    "Envelope",
    "Order",
    "apply",
    "idempotency_of",
    "kind_named",
    "order_of",
    "taken_of",
]

_IDEMPOTENCY_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e][\x21-\x7e]{0,254})')
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)
_FLAT_KIND = "generate"
#: How long an upload outlives the deadline of the last job that named it: its attempts and their retries.
_UPLOAD_KEPT_S = 86_400


def _time(value: Any) -> Any:
    """A time as text: pydantic would take a number for seconds since the epoch, and a text of digits too."""
    if not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("must be a time as in RFC 3339, with its offset: 2026-01-31T12:00:00Z")
    return value


class Order(Strict):
    """What every order may say of its jobs."""

    kind: str
    input: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-limits.PRIORITY_MAX, le=limits.PRIORITY_MAX)
    deadline_seconds: float | None = Field(None, gt=0, le=limits.DEADLINE_S_MAX)
    fairness_key: str | None = Field(None, min_length=1, max_length=limits.FAIRNESS_KEY_LENGTH_MAX)
    metadata: Metadata = Field(default_factory=dict)
    webhook: JobWebhook | None = None


class Envelope(Order):
    """The body of `POST /api/v1/jobs` but for the input itself."""

    run_at: Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_time)] | None = None


def _envelope_of(kind: Kind[Any]) -> type[Envelope]:
    only: Any = Literal[kind.name]
    about = f"A job of the kind {kind.name}."
    name = f"{kind.name.title()}Job"
    return create_model(name, __base__=Envelope, __doc__=about, kind=(only, ...), input=(kind.input, ...))


#: What the body of `POST /api/v1/jobs` may be: the envelope of each kind, or the input of `generate` itself.
BODIES = (*map(_envelope_of, KINDS.values()), KINDS[_FLAT_KIND].input)


def taken_of(kind: Kind[Any]) -> Ceilings:
    """What an order of the kind may have as a body."""
    return Ceilings(kind.body_bytes_max, kind.body_values_max)


def _widest(kinds: Iterable[Kind[Any]]) -> Ceilings:
    taken = [taken_of(kind) for kind in kinds]
    sizes = [one.bytes_max for one in taken]
    bytes_max = None if None in sizes else max(size for size in sizes if size is not None)
    return Ceilings(bytes_max, max(one.values_max for one in taken))


#: What the order of a kind may have that is named in the body itself.
ANY_ORDER = _widest(KINDS.values())


def kind_named(name: str) -> Kind[Any]:
    """The kind of that name; refuses an unknown one, and says which there are."""
    kind = KINDS.get(name)
    if kind is None:
        raise invalid(
            "#/kind", f"There is no kind {name[:64]!r}; there are: {', '.join(sorted(KINDS))}", "unknown_kind"
        )
    return kind


def order_of(body: Mapping[str, Any]) -> tuple[Envelope, tuple[str, ...]]:
    """The envelope of a body, and where in it the input stands.

    A body without `kind` is itself the input of `generate`: that is how the ComfyUI service was spoken to.
    """
    if "kind" in body:
        return validated(Envelope, body), ("input",)
    return Envelope(kind=_FLAT_KIND, input=dict(body)), ()


async def apply(
    request: Request,
    route: str,
    body: Mapping[str, Any],
    envelope: Envelope,
    at: tuple[str, ...],
    *,
    retry_of: str | None = None,
    hook: Hook | None = None,
    tried: int = 0,
) -> Application:
    """Check an order as far as it can be checked before admission. `route` scopes the idempotency key."""
    kind = kind_named(envelope.kind)
    if kind.name == "ocr" and not request.api.settings.ocr_enabled:
        raise Refusal("feature_disabled", "Jobs of the kind ocr are switched off (OCR_ENABLED)")
    wanted = validated(kind.input, envelope.input, at)
    _require_scopes(request, kind.scopes(wanted))
    offer = await request.api.offers.of(kind.backend)
    try:
        if kind.resolve is not None:
            async with large_turn(request):
                wanted = await kind.resolve(wanted, request.resources.library)
        if kind.prepare is not None:
            wanted = kind.prepare(wanted)
        kind.check(wanted, offer, request.caller.limits)
    except Refusal as refusal:
        if not at:
            _anchor(refusal)
        raise
    require_urls(request, kind, wanted, at)
    settings = request.api.settings
    kept_s = int(envelope.deadline_seconds or settings.job_deadline) + _UPLOAD_KEPT_S
    uploads = [
        await _require_upload(request, kind, upload_id, (*at, *_place_of(envelope.input, upload_id)), kept_s)
        for upload_id in kind.uploads(wanted)
    ]
    wanted, stored = await stowed(request, kind, wanted, at, kept_s)
    stored_input = _stored_input(wanted, at)
    needs = kind.needs(wanted)
    if needs is not None and not await request.api.offers.can_meet(needs):
        detail = "No server of the fleet has all models, LoRAs and nodes together that this needs"
        raise invalid(pointer(at), detail, "not_offered")
    return Application(
        kind=kind.name,
        queue=kind.queue,
        input=stored_input,
        units=_units(kind, wanted, [*uploads, *stored], at),
        deadline_s=envelope.deadline_seconds or settings.job_deadline,
        priority=envelope.priority,
        run_at_ms=_run_at_ms(envelope.run_at),
        fairness_key=envelope.fairness_key,
        metadata=envelope.metadata,
        idempotency=idempotency_of(request, route),
        fingerprint=fingerprint(body),
        traceparent=request.traceparent,
        retry_of=retry_of,
        tried=tried,
        hook=await hook_of(request, envelope.webhook) if envelope.webhook else hook,
        result=result_digest(kind, wanted, [*uploads, *stored], _whose(request.caller)),
        needs=needs.stored if needs else "",
    )


def _require_scopes(request: Request, scopes: Iterable[str]) -> None:
    """Refuse a caller whose api key lacks what such an input needs beside the route's own scope."""
    for scope in scopes:
        if not request.caller.may(scope):
            raise Refusal("insufficient_scope", f"This needs the scope {scope}", members={"scope": scope})


def _stored_input(wanted: Input, at: tuple[str, ...]) -> dict[str, Any]:
    """The input as the job keeps it; refuses one that Redis is no place for."""
    stored = wanted.model_dump(mode="json", exclude_none=True)
    if len(orjson.dumps(stored)) > limits.JOB_INPUT_BYTES_MAX:
        raise invalid(pointer(at), f"at most {limits.JOB_INPUT_BYTES_MAX} bytes as JSON", "too_large")
    return stored


def _units(kind: Kind[Any], wanted: Input, uploads: Sequence[Upload], at: tuple[str, ...]) -> int:
    """What the job holds; pages are those that were counted when the upload was completed."""
    if kind.page_cost is None:
        return kind.cost(wanted)
    try:
        return kind.page_cost(wanted, sum(upload.page_count or 1 for upload in uploads))
    except Refusal as refusal:
        if not at:
            _anchor(refusal)
        raise


def _whose(caller: Caller) -> str:
    """Whose known results the caller may be given."""
    return f"plan {caller.plan}" if caller.limits.shares_results else f"user {caller.user_id}"


def _anchor(refusal: Refusal) -> None:
    """A kind points into `#/input`; in a flat body the input is the body itself."""
    refusal.errors = tuple(
        {**error, "pointer": error["pointer"].replace("#/input", "#", 1)} if "pointer" in error else error
        for error in refusal.errors
    )


async def _require_upload(
    request: Request, kind: Kind[Any], upload_id: str, at: Sequence[str | int], kept_s: int
) -> Upload:
    """Refuse an upload that is not there, another user's, not completed or not fit; keep it while the job may run."""
    where = pointer(at)
    try:
        upload = await load_upload(request.home, request.caller.user_id, upload_id)
    except Refusal as refusal:
        if refusal.code != "not_found":
            raise
        raise invalid(where, "There is no such upload", "unknown_upload") from None
    if upload.status != "completed":
        raise invalid(where, f"The upload is {upload.status}, it must be completed first", "upload_not_completed")
    if kind.upload_types is not None and upload.content_type not in kind.upload_types:
        fit = ", ".join(sorted(kind.upload_types))
        raise invalid(where, f"The upload is {upload.content_type}, and has to be one of {fit}", "wrong_type")
    await retain_upload(request.home, request.caller.user_id, upload_id, kept_s)
    return upload


def _place_of(value: Any, text: str) -> tuple[str | int, ...]:
    """Where in a JSON value a text stands first; its root where it does not."""
    members: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for step, member in members:
        if member == text:
            return (step,)
        if isinstance(member, dict | list) and (path := _place_of(member, text)):
            return (step, *path)
    return ()


def _run_at_ms(run_at: datetime | None) -> int | None:
    if run_at is None:
        return None
    ahead_s = (run_at - datetime.now(UTC)).total_seconds()
    if ahead_s > limits.SCHEDULE_S_MAX:
        raise invalid("#/run_at", f"At most {limits.SCHEDULE_S_MAX // 86_400} days ahead", "too_far_ahead")
    return max(0, int(run_at.timestamp() * 1000))  # a time that has passed is now, however long ago


def idempotency_of(request: Request, route: str) -> str | None:
    """The digest of route and key: 1 to 255 visible characters (draft-ietf-httpapi-idempotency-key-header)."""
    headers = request.headers.getlist("idempotency-key")
    if not headers:
        return None
    match = _IDEMPOTENCY_KEY.fullmatch(", ".join(headers).strip())  # two of them are none (RFC 9110, 5.3)
    if match is None:
        raise Refusal("malformed_request", "Idempotency-Key must be 1 to 255 visible ASCII characters, quoted or bare")
    return hashlib.sha256(f"{route}\n{match[1] or match[2]}".encode()).hexdigest()[:32]
