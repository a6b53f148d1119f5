"""(iv) What people write: FastAPI, a Redis limiter library (slowapi) and arq's `enqueue_job`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq.connections import RedisSettings, create_pool
from fastapi import FastAPI, Request  # type: ignore[import-not-found, unused-ignore]
from pydantic import BaseModel
from slowapi import Limiter, _rate_limit_exceeded_handler  # type: ignore[import-not-found, unused-ignore]
from slowapi.errors import RateLimitExceeded  # type: ignore[import-not-found, unused-ignore]

URL = os.environ["BENCH_REDIS_URL"]


class Submission(BaseModel):
    kind: str
    input: dict[str, Any]


class Submitted(BaseModel):
    id: str
    kind: str
    status: str


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    application.state.arq = await create_pool(RedisSettings.from_dsn(URL))
    yield
    await application.state.arq.aclose()


limiter = Limiter(key_func=lambda request: request.headers["authorization"], storage_uri=URL)
app = FastAPI(lifespan=lifespan)
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


async def submit(request: Request, submission: Submission) -> Submitted:
    job = await request.app.state.arq.enqueue_job(submission.kind, submission.input)
    return Submitted(id=job.job_id, kind=submission.kind, status="queued")


app.add_api_route("/api/v1/jobs", limiter.limit("100000000/minute")(submit), methods=["POST"], status_code=202)
