"""Uploads: a presigned PUT straight into the object store, then a look at what has arrived."""

from __future__ import annotations

from functools import partial

from pydantic import Field
from starlette.responses import Response

from apps.api.answers.answer import FetchedUpload, NewUploadUrl
from apps.api.body import read_object
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.validation import validated
from apps.api.views.user import upload_view
from libs.artifacts.announce import create_upload
from libs.artifacts.multipart import part_bytes_of
from libs.artifacts.presigner import upload_headers
from libs.artifacts.uploads import complete_upload, discard_upload, load_upload
from libs.errors import Refusal
from libs.strict import Strict

__all__ = ["ROUTES"]


class NewUpload(Strict):
    """What a caller says of a file before sending it."""

    filename: str
    content_type: str
    size_bytes: int
    multipart: bool = Field(default=False, description="Whether it is sent in parts: large files, or poor connections")


async def create(request: Request) -> Response:
    """201 with the URL that takes the bytes by PUT, or with `multipart` one for each part."""
    settings, resources = request.api.settings, request.resources
    if not settings.uploads_enabled:
        raise Refusal("feature_disabled", "Uploads are switched off")
    wanted = validated(NewUpload, await read_object(request))
    upload, urls = await create_upload(
        request.home,
        resources.objects,
        request.caller.user_id,
        filename=wanted.filename,
        content_type=wanted.content_type,
        size_bytes=wanted.size_bytes,
        url_ttl_s=settings.upload_url_ttl,
        bytes_max=settings.upload_bytes_max,
        stored_max=request.caller.limits.stored_bytes_max,
        in_parts=wanted.multipart,
    )
    resources.metrics.uploads.labels("created").inc()
    view, headers = upload_view(upload), upload_headers(upload.content_type, upload.size_bytes)
    if wanted.multipart:
        del headers["Content-Length"]  # each part has its own
    where = {
        "method": "PUT",
        "url": None if wanted.multipart else urls[0],
        "headers": headers,
        "part_bytes": part_bytes_of(upload.size_bytes) if wanted.multipart else None,
        "part_urls": urls if wanted.multipart else None,
    }
    return Json({**view, **where}, 201, {"Location": view["links"]["self"]})


async def complete(request: Request) -> Response:
    """200 once the file is there and is what was announced."""
    resources = request.resources
    upload_id, user_id = request.path_params["upload_id"], request.caller.user_id
    before = await load_upload(request.home, user_id, upload_id)
    try:
        upload = await complete_upload(
            request.home,
            resources.objects,
            user_id,
            upload_id,
            count_pages=request.api.pages.count,
            room=partial(request.hold, "upload"),
        )
    except Refusal as refusal:
        if before.status == "pending" and refusal.code == "validation_failed":
            resources.metrics.uploads.labels("refused").inc()
        raise
    if before.status == "pending":
        resources.metrics.uploads.labels("completed").inc()
    return Json(upload_view(upload))


async def fetch(request: Request) -> Response:
    """One of the caller's uploads."""
    upload_id = request.path_params["upload_id"]
    return Json(upload_view(await load_upload(request.home, request.caller.user_id, upload_id)))


async def discard(request: Request) -> Response:
    """204: the upload is removed, whatever is going to ask for it, and counts no more; again is fine."""
    resources, upload_id = request.resources, request.path_params["upload_id"]
    await discard_upload(request.home, resources.objects, request.caller.user_id, upload_id)
    resources.metrics.uploads.labels("deleted").inc()
    return Response(status_code=204)


ROUTES = [
    route(
        "POST",
        "/api/v1/uploads",
        create,
        scope="uploads:write",
        bucket="uploads",
        aliases=["/api/uploads/initiate"],
        takes=FORM,
        body=NewUpload,
        answers={201: NewUploadUrl},
        refuses=["feature_disabled", "storage_exceeded"],
    ),
    route(
        "POST",
        "/api/v1/uploads/{upload_id}/complete",
        complete,
        scope="uploads:write",
        bucket="reads",
        answers={200: FetchedUpload},
        refuses=["conflict", "validation_failed"],
    ),
    route(
        "GET", "/api/v1/uploads/{upload_id}", fetch, scope="uploads:write", bucket="reads", answers={200: FetchedUpload}
    ),
    route("DELETE", "/api/v1/uploads/{upload_id}", discard, scope="uploads:write", bucket="reads", answers={204: ()}),
]
