"""POST /callbacks/{token}: a provider says that a prediction has ended.

Whoever knows the token may call: only its provider does. What it brings is not looked at, except for its signature; the
job is woken, and asks for itself.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import Response

from apps.api.body import read_bytes
from apps.api.json_text import Ceilings
from apps.api.request import Request
from apps.api.routing import PUBLIC, route
from libs.backends.prediction.callback import is_signed, job_of_token
from libs.errors import Refusal

__all__ = ["ROUTES"]

log = logging.getLogger(__name__)

_NO_CONTENT: Final = 204


async def call_back(request: Request) -> Response:
    """204: the job that waits for it is on its way. A provider's, with the token it was given; others get 404."""
    job_id = job_of_token(request.api.pepper, request.path_params["token"])
    if job_id is None:
        raise Refusal("not_found", "No such thing is waited for")
    body = await read_bytes(request.receive)
    secret = request.api.settings.replicate_webhook_secret
    if secret is not None and not is_signed(secret.get_secret_value(), request.headers, body):
        log.warning("a callback for job %s without its signature: look at REPLICATE_WEBHOOK_SECRET", job_id)
        raise Refusal("not_found", "No such thing is waited for")
    await request.api.waker.wake(job_id)
    return Response(status_code=_NO_CONTENT)


ROUTES = [
    route("POST", "/callbacks/{token}", call_back, scope=PUBLIC, bucket=None, takes=Ceilings(), answers={204: ()})
]
