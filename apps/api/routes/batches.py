"""/api/v1/batches: many items of one kind, let in as one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from apps.api.answers import answer as answers
from apps.api.answers.batch import Batch, BatchItem, DetectedBatch
from apps.api.batches.file import load_input_file
from apps.api.batches.order import BatchEnvelope, NewBatch, from_body, from_file, from_values
from apps.api.batches.quota import read_items
from apps.api.batches.submission import SubmittedBatch, submit_batch
from apps.api.body import read_object
from apps.api.json_text import Ceilings
from apps.api.lists.paging import bad_parameter, page, read_page
from apps.api.lists.queries import ItemQuery, PageQuery
from apps.api.orders.order import kind_named
from apps.api.orders.waiting import WAIT_S_MAX, preferred_wait_s, wait_for
from apps.api.orders.webhook import BatchWebhook
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.validation import validated
from libs import limits
from libs.admission.admit import fingerprint
from libs.batches.batch import ITEM_STATUSES
from libs.batches.batch import Batch as StoredBatch
from libs.batches.cancel import cancel_batch
from libs.batches.listing import items_at, list_items
from libs.batches.lookup import list_batches, load_batch
from libs.batches.view import batch_view, item_view, results_url
from libs.batches.waiting import until_ended
from libs.errors import Refusal, invalid
from libs.strict import Strict, at_most

__all__ = ["ROUTES"]

_PATH = "/api/v1/batches"
_DETECT = "/api/v1/batch"
_OK, _ACCEPTED, _FOUND = 200, 202, 302
_MANY = Ceilings(None, limits.JSON_VALUES_MAX)


class ImagesToDetect(Strict):
    """Images to find text in: each an address, the id of an upload, the image itself, or an input of `detect`."""

    images: Annotated[
        list[str | dict[str, Any]],
        Field(min_length=1, max_length=limits.BATCH_IMAGES_MAX),
        at_most(limits.BATCH_IMAGES_MAX),
    ]
    webhook: BatchWebhook | None = None


async def submit(request: Request) -> Response:
    """Submit a batch: 202 once all of its items are checked and their units are reserved.

    The items stand in the body (`items`), or in an uploaded file of JSON lines (`input_file`). An item is an input of
    the kind, or an object of `input` and, as wished, `fairness_key` and `metadata`. All are let in or none is.
    """
    body = await read_items(request)
    wanted = validated(BatchEnvelope, body.members)
    kind_named(wanted.kind)
    if (wanted.input_file is None) == (body.spans is None):
        raise invalid("#", "Exactly one of `items` and `input_file` is needed", "required")
    if wanted.input_file is None:
        submitted = await submit_batch(
            request, _PATH, wanted, from_body(body), items_min=body.items_count, digest=body.digest
        )
    else:
        upload = await load_input_file(request, wanted.input_file)
        submitted = await submit_batch(
            request, _PATH, wanted, from_file(request, upload), items_min=1, digest=body.digest
        )
    return _answer(request, submitted)


async def detect(request: Request) -> Response:
    """Find the text in many images: 200 with what was found in each, 202 with the batch when it takes longer."""
    body = await read_object(request)
    told = validated(ImagesToDetect, body)
    wanted = BatchEnvelope(kind="detect", webhook=told.webhook)
    wait_s = preferred_wait_s(request.headers.getlist("prefer"))
    submitted = await submit_batch(
        request,
        _DETECT,
        wanted,
        from_values(map(_detect_input, told.images), "images"),
        items_min=len(told.images),
        digest=fingerprint(body),
    )
    del body, told  # megabytes, it may be, and a minute
    ended = await _ended(request, submitted.batch, WAIT_S_MAX if wait_s is None else wait_s)
    if ended is None:
        return _answer(request, submitted, wait_s)
    items = await items_at(request.home, request.resources.objects, ended, range(ended.items))
    content = {
        "batch": batch_view(request.resources.objects, ended),
        "data": [item_view(item, whole=True) for item in items],
    }
    return Json(content, _OK, _headers(submitted, wait_s))


def _detect_input(image: str | dict[str, Any]) -> dict[str, Any]:
    """The input that an image is short for."""
    if isinstance(image, dict):
        return image
    if image.startswith("upload_"):
        return {"upload": image}
    return {"image_url" if image[:8].lower().startswith(("http://", "https://")) else "image": image}


async def _ended(request: Request, batch: StoredBatch, wait_s: float) -> StoredBatch | None:
    if batch.left == 0 or wait_s <= 0:
        return batch if batch.left == 0 and wait_s > 0 else None
    ending = until_ended(request.home, request.resources.events, request.caller.user_id, batch.id)
    return await wait_for(request, ending, wait_s)


def _answer(request: Request, submitted: SubmittedBatch, wait_s: float | None = None) -> Json:
    content = batch_view(request.resources.objects, submitted.batch)
    return Json(content, _ACCEPTED, _headers(submitted, wait_s))


def _headers(submitted: SubmittedBatch, wait_s: float | None) -> dict[str, str]:
    headers = {"Location": f"{_PATH}/{submitted.batch.id}"}
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s:g}" if wait_s > 0 else "respond-async"
    return headers


async def show_all(request: Request) -> Response:
    """A page of the caller's batches, newest first."""
    wish = read_page(request)
    found = await list_batches(request.home, request.caller.user_id, limit=wish.limit, before=wish.after or None)
    return page(request, [batch_view(request.resources.objects, batch) for batch in found.batches], found.before)


async def show(request: Request) -> Response:
    """One batch, and how many of its items have which status."""
    return Json(batch_view(request.resources.objects, await _load(request)))


async def show_items(request: Request) -> Response:
    """A page of a batch's items in their order, of one status where that is wanted.

    A page may be short, even empty, and still have more behind it.
    """
    wish, status = read_page(request), request.query_params.get("status")
    if status is not None and status not in ITEM_STATUSES:
        raise bad_parameter("status", f"The status of an item is one of {', '.join(ITEM_STATUSES)}")
    found = await list_items(
        request.home,
        request.resources.objects,
        await _load(request),
        status=status,
        limit=wish.limit,
        start=int(wish.after or 0),
    )
    position = None if found.start is None else str(found.start)
    return page(request, [item_view(item) for item in found.items], position)


async def cancel(request: Request) -> Response:
    """Cancel a batch: 202 while its jobs are being stopped, 200 when it is canceled already.

    What has not become a job ends at once and costs nothing.
    """
    outcome = await cancel_batch(request.home, request.caller.user_id, request.path_params["id"])
    if outcome == "not_found":
        raise _no_batch()
    if outcome == "finished":
        raise Refusal("batch_already_finished")
    batch = await _load(request)
    return Json(batch_view(request.resources.objects, batch), _OK if outcome == "canceled" else _ACCEPTED)


async def download_results(request: Request) -> Response:
    """302 to a fresh presigned URL of the results: JSON lines, one an item, in the order of the items."""
    batch = await _load(request)
    if not batch.over:
        raise Refusal("conflict", "The batch is running: its results are there when it is over")
    return RedirectResponse(results_url(request.resources.objects, batch)[0], _FOUND)


async def _load(request: Request) -> StoredBatch:
    return await load_batch(request.home, request.caller.user_id, request.path_params["id"])


def _no_batch() -> Refusal:
    return Refusal("not_found", "There is no such batch")


ROUTES = (
    route(
        "POST", _PATH, submit, scope="jobs:write", bucket="submits", takes=_MANY, body=NewBatch, answers={202: Batch}
    ),
    route(
        "GET",
        _PATH,
        show_all,
        scope="jobs:read",
        bucket="reads",
        query=PageQuery,
        answers={200: answers.Page[Batch]},
    ),
    route("GET", _PATH + "/{id}", show, scope="jobs:read", bucket="reads", answers={200: Batch}),
    route(
        "GET",
        _PATH + "/{id}/items",
        show_items,
        scope="jobs:read",
        bucket="reads",
        query=ItemQuery,
        answers={200: answers.Page[BatchItem]},
    ),
    route(
        "GET",
        _PATH + "/{id}/results",
        download_results,
        scope="jobs:read",
        bucket="reads",
        answers={302: ()},
        refuses=["conflict"],
    ),
    route(
        "POST",
        _PATH + "/{id}/cancel",
        cancel,
        scope="jobs:write",
        bucket="reads",
        answers={200: Batch, 202: Batch},
        refuses=["batch_already_finished"],
    ),
    route(
        "POST",
        _DETECT,
        detect,
        scope="jobs:write",
        bucket="submits",
        takes=_MANY,
        body=ImagesToDetect,
        answers={200: DetectedBatch, 202: Batch},
    ),
)
