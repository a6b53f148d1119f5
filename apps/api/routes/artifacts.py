"""/api/v1/jobs/{id}/artifacts: what a job left behind."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from apps.api.answers.answer import Artifacts
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from libs.errors import Refusal
from libs.jobs.view import artifact_view, signed_url

__all__ = ["ROUTES"]

_PATH = "/api/v1/jobs/{id}/artifacts"
_FOUND = 302


async def show_artifacts(request: Request) -> Response:
    """Every artifact of a job, each with a fresh URL."""
    job = await request.resources.records.load_job(request.caller.user_id, request.path_params["id"])
    return Json(
        {"data": [artifact_view(one, signed_url(request.resources.objects, job, one)) for one in job.artifacts]}
    )


async def download_artifact(request: Request) -> Response:
    """302 to a fresh presigned URL of one artifact."""
    job = await request.resources.records.load_job(request.caller.user_id, request.path_params["id"])
    for artifact in job.artifacts:
        if artifact.name == request.path_params["name"]:
            return RedirectResponse(signed_url(request.resources.objects, job, artifact)[0], _FOUND)
    raise Refusal("not_found", "The job has no such artifact")


ROUTES = (
    route("GET", _PATH, show_artifacts, scope="jobs:read", bucket="reads", answers={200: Artifacts}),
    route("GET", _PATH + "/{name}", download_artifact, scope="jobs:read", bucket="reads", answers={302: ()}),
)
