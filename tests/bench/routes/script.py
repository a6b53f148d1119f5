"""(iii+) The bare route with our admission script, its concurrent calls pipelined by our store, and nothing else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from libs.admission.admit import Application, admit
from libs.admission.rate import RateRule
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.fakes.callers import QUEUE_RULE, make_caller

CALLER = make_caller(user_id="usr_bench", units_per_day=10_000_000, queued_max=1_000_000)
RATE_RULE = RateRule(ceiling=100_000_000)


@asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    application.state.store = await Store.open(os.environ["BENCH_REDIS_URL"], Keyspace.with_prefix("arqade"))
    yield
    await application.state.store.close()


async def submit(request: Request) -> JSONResponse:
    body = await request.json()
    wanted = Application(
        kind=body["kind"],
        queue="gpu",
        input=body["input"],
        units=1,
        deadline_s=3600,
        idempotency=request.headers["idempotency-key"],
        fingerprint="0" * 64,
    )
    admission = await admit(request.app.state.store, CALLER, wanted, QUEUE_RULE, RATE_RULE)
    return JSONResponse({"id": admission.job_id, "kind": wanted.kind, "status": "queued"}, status_code=202)


app = Starlette(routes=[Route("/api/v1/jobs", submit, methods=["POST"])], lifespan=lifespan)
