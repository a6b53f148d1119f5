"""(ii) The bare route with one EVALSHA of a small script, by redis-py (asyncio, hiredis)."""

from __future__ import annotations

import os
import uuid

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_SCRIPT = "redis.call('SET', KEYS[1], ARGV[1], 'EX', 60) return redis.call('INCR', 'count')"

redis = Redis.from_url(os.environ["BENCH_REDIS_URL"], max_connections=128)
script = redis.register_script(_SCRIPT)


async def submit(request: Request) -> JSONResponse:
    body = await request.json()
    job_id = uuid.uuid4().hex
    await script(keys=[job_id], args=[body["kind"]])
    return JSONResponse({"id": job_id, "kind": body["kind"], "status": "queued"}, status_code=202)


app = Starlette(routes=[Route("/api/v1/jobs", submit, methods=["POST"])])
