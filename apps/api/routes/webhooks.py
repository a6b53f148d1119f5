"""/api/v1/webhooks: endpoints that are told of events, their secrets and what was delivered to them.

`default` names the endpoint of the webhooks that jobs and batches name themselves: it can be looked at and its secret
rotated.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from apps.api.answers.answer import Page
from apps.api.answers.webhook import Delivery, Endpoint, NewSecret, SigningSecret, delivery_view, endpoint_view
from apps.api.body import read_object
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import PageQuery
from apps.api.orders.webhook import EndpointChanges, NewEndpoint, target_of
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.validation import validated
from libs.errors import Refusal
from libs.webhooks.deliveries import count_pending, list_deliveries, load_delivery, redeliver, send_ping
from libs.webhooks.endpoint import Endpoint as StoredEndpoint
from libs.webhooks.endpoints import (
    DEFAULT,
    create_endpoint,
    delete_endpoint,
    list_endpoints,
    load_endpoint,
    open_default,
    rotate_secret,
    update_endpoint,
)

__all__ = ["ROUTES"]

_PATH = "/api/v1/webhooks"
_ONE = _PATH + "/{id}"
_READ, _WRITE = "webhooks:read", "webhooks:write"


async def create(request: Request) -> Response:
    """201 with the endpoint and its `secret`: this once, and never again."""
    wanted = validated(NewEndpoint, await read_object(request))
    target_of(request, wanted.url)
    endpoint = await create_endpoint(
        request.home,
        request.resources.webhook_secrets,
        request.caller.user_id,
        url=wanted.url,
        events=tuple(dict.fromkeys(wanted.events)),
        description=wanted.description,
        token=wanted.bearer_token,
    )
    return Json(_with_secret(request, endpoint), 201, {"Location": f"{_PATH}/{endpoint.id}"})


async def list_page(request: Request) -> Response:
    """A page of the caller's endpoints, newest first; `default` is not among them."""
    wish, user_id = read_page(request), request.caller.user_id
    found = await list_endpoints(request.home, user_id, limit=wish.limit + 1, before=wish.after)
    more, found = len(found) > wish.limit, found[: wish.limit]
    pending = await asyncio.gather(*[count_pending(request.home, endpoint.id) for endpoint in found])
    views = [endpoint_view(*each) for each in zip(found, pending, strict=True)]
    return page(request, views, found[-1].id if more else None)


async def show(request: Request) -> Response:
    """One endpoint."""
    return await _answer(request, await _load(request))


async def change(request: Request) -> Response:
    """The endpoint, changed; enabled again it goes on with what is pending."""
    endpoint = await _load_own(request)
    wanted = validated(EndpointChanges, await read_object(request))
    if wanted.url is not None:
        target_of(request, wanted.url)
    changed = await update_endpoint(
        request.home,
        request.resources.webhook_secrets,
        endpoint.user_id,
        endpoint.id,
        enabled=wanted.enabled,
        token=wanted.token,
        changes=wanted.members(),
    )
    return await _answer(request, changed)


async def delete(request: Request) -> Response:
    """204; what was pending is delivered no more, and the log is gone."""
    endpoint = await _load_own(request)
    await delete_endpoint(request.home, endpoint.user_id, endpoint.id)
    return Response(status_code=204)


async def rotate(request: Request) -> Response:
    """The endpoint with its new `secret`; for a day deliveries are signed with the former one too."""
    endpoint = await _load(request)
    rotated = await rotate_secret(request.home, request.resources.webhook_secrets, endpoint.user_id, endpoint.id)
    return Json(_with_secret(request, rotated, await count_pending(request.home, rotated.id)))


async def show_default_secret(request: Request) -> Response:
    """What the webhooks that jobs and batches name themselves are signed with."""
    user_id = request.caller.user_id
    endpoint = await open_default(request.home, request.resources.webhook_secrets, user_id)
    return Json({"secret": _secret(request, endpoint)})


async def ping(request: Request) -> Response:
    """202 with a delivery of `webhook.ping`, whatever the endpoint asks for: to try it."""
    endpoint = await _load_own(request)
    return Json(delivery_view(await send_ping(request.home, endpoint.user_id, endpoint.id)), 202)


async def show_deliveries(request: Request) -> Response:
    """What was and is to be delivered, newest first: all that is pending, and 1,000 that ended, for 30 days."""
    wish, endpoint = read_page(request), await _load(request)
    found, before = await list_deliveries(request.home, endpoint.id, limit=wish.limit, before=wish.after)
    return page(request, [delivery_view(delivery) for delivery in found], before)


async def show_delivery(request: Request) -> Response:
    """One delivery."""
    endpoint = await _load(request)
    return Json(delivery_view(await load_delivery(request.home, endpoint.id, request.path_params["delivery_id"])))


async def deliver_again(request: Request) -> Response:
    """202 with the delivery, due now under the id that it has."""
    endpoint = await _load(request)
    delivery_id = request.path_params["delivery_id"]
    return Json(delivery_view(await redeliver(request.home, endpoint.user_id, endpoint.id, delivery_id)), 202)


async def _load(request: Request) -> StoredEndpoint:
    user_id, name = request.caller.user_id, request.path_params["id"]
    if name == DEFAULT:
        return await open_default(request.home, request.resources.webhook_secrets, user_id)
    if name == user_id:  # how it is stored is nobody's business
        raise Refusal("not_found", "There is no such webhook endpoint")
    return await load_endpoint(request.home, user_id, name)


async def _load_own(request: Request) -> StoredEndpoint:
    """An endpoint that can be changed: `default` has nothing to change."""
    endpoint = await _load(request)
    if endpoint.is_default:
        raise Refusal(
            "conflict", "The endpoint of jobs' and batches' own webhooks has neither URL nor events: each names them"
        )
    return endpoint


async def _answer(request: Request, endpoint: StoredEndpoint) -> Response:
    return Json(endpoint_view(endpoint, await count_pending(request.home, endpoint.id)))


def _with_secret(request: Request, endpoint: StoredEndpoint, pending: int = 0) -> dict[str, Any]:
    return {**endpoint_view(endpoint, pending), "secret": _secret(request, endpoint)}


def _secret(request: Request, endpoint: StoredEndpoint) -> str:
    secret = request.resources.webhook_secrets.signing_secret(endpoint.id, endpoint.secret)
    if secret is None:
        raise Refusal("conflict", "The secret is lost with the pepper that it was made with: rotate it")
    return secret


_CONFLICT = ("conflict",)

ROUTES = (
    route(
        "POST",
        _PATH,
        create,
        scope=_WRITE,
        bucket="reads",
        takes=FORM,
        body=NewEndpoint,
        answers={201: NewSecret},
        refuses=_CONFLICT,
    ),
    route("GET", _PATH, list_page, scope=_READ, bucket="reads", query=PageQuery, answers={200: Page[Endpoint]}),
    route(
        "GET",
        f"{_PATH}/{DEFAULT}/secret",
        show_default_secret,
        scope=_WRITE,
        bucket="reads",
        answers={200: SigningSecret},
        refuses=_CONFLICT,
    ),
    route("GET", _ONE, show, scope=_READ, bucket="reads", answers={200: Endpoint}),
    route(
        "PATCH",
        _ONE,
        change,
        scope=_WRITE,
        bucket="reads",
        takes=FORM,
        body=EndpointChanges,
        answers={200: Endpoint},
        refuses=_CONFLICT,
    ),
    route("DELETE", _ONE, delete, scope=_WRITE, bucket="reads", answers={204: ()}, refuses=_CONFLICT),
    route("POST", _ONE + "/rotate", rotate, scope=_WRITE, bucket="reads", answers={200: NewSecret}),
    route("POST", _ONE + "/ping", ping, scope=_WRITE, bucket="reads", answers={202: Delivery}, refuses=_CONFLICT),
    route(
        "GET",
        _ONE + "/deliveries",
        show_deliveries,
        scope=_READ,
        bucket="reads",
        query=PageQuery,
        answers={200: Page[Delivery]},
    ),
    route(
        "GET", _ONE + "/deliveries/{delivery_id}", show_delivery, scope=_READ, bucket="reads", answers={200: Delivery}
    ),
    route(
        "POST",
        _ONE + "/deliveries/{delivery_id}/redeliver",
        deliver_again,
        scope=_WRITE,
        bucket="reads",
        answers={202: Delivery},
        refuses=_CONFLICT,
    ),
)
