"""(i) A Starlette route that reads a JSON body and answers 202 with JSON."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def submit(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse({"id": "job_0", "kind": body["kind"], "status": "queued"}, status_code=202)


app = Starlette(routes=[Route("/api/v1/jobs", submit, methods=["POST"])])
