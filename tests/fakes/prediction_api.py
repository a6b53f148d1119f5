"""The application of `tests.fakes.prediction_provider`: what it takes, counts, makes and tells."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.fakes.pixels import PNG
from tests.fakes.strict_upstream import Book

__all__ = ["BEHAVIOURS", "FAULTS", "MODEL", "TOKEN", "VERSION", "WEBHOOK_SECRET", "Application"]

TOKEN: Final = "r8_a-token-of-tests"
MODEL: Final = "tests/optimizer"
VERSION: Final = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
WEBHOOK_SECRET: Final = "whsec_" + base64.b64encode(b"a secret of the provider").decode()

_PAGE = 100
_MEMBERS = {"input", "webhook", "webhook_events_filter", "stream", "version"}
_EVENTS = {"start", "output", "logs", "completed"}
_INPUT = {"image", "prompt", "aspect_ratio", "output_format", "seed", "behaviour"}
_WEBHOOK_RETRIES_S = (1.0, 5.0, 20.0)

#: How one prediction goes.
BEHAVIOURS: Final = (
    "", "fails", "breaks off", "never ends", "aborts", "two files", "text", "json", "missing", "huge", "private",
    "data",
)  # fmt: skip
#: What may happen to a request instead of its answer; `lost` and `late 500`: it is carried out, and not answered so.
#: A webhook that something happens to is never sent.
FAULTS: Final = ("500", "503", "429", "401", "402", "404", "garbage", "html", "hang", "lost", "late 500")


@dataclass(slots=True)
class Made:
    """One prediction."""

    id: str
    input: Mapping[str, Any]
    webhook: str | None
    created: float
    starts: float
    ends: float
    canceled: bool = False


class Cut(Response):
    """An answer that ends before it is over."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b'{"id": "', "more_body": True})
        raise RuntimeError("cut")


@dataclass
class Application:
    """The provider."""

    limit: int
    reads: int
    speed: float
    predict_s: float
    webhooks: bool = True
    host: str = ""
    made: dict[str, Made] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, deque[str]] = field(
        default_factory=lambda: {"create": deque(), "read": deque(), "webhook": deque()}
    )
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        window_s = 60 / self.speed
        self.books = {"create": Book(self.limit, window_s), "read": Book(self.reads, window_s)}
        self.http = httpx.AsyncClient(timeout=10, trust_env=False)
        self.app = Starlette(
            routes=[
                Route("/v1/predictions", self.create_version, methods=["POST"]),
                Route("/v1/models/{owner}/{name}/predictions", self.create_model, methods=["POST"]),
                Route("/v1/predictions", self.list, methods=["GET"]),
                Route("/v1/predictions/{id}", self.get, methods=["GET"]),
                Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
                Route("/files/{id}/{n:int}", self.file),
                Route("/figures", self.figures),
                Route("/faults", self.order_faults, methods=["POST"]),
            ]
        )

    # ── creations ───────────────────────────────────────────────────────────────────────────────────────────────

    async def create_version(self, request: Request) -> Response:
        return await self.create(request, by_version=True)

    async def create_model(self, request: Request) -> Response:
        if f"{request.path_params['owner']}/{request.path_params['name']}" != MODEL:
            return self.admitted(request, "create") or problem(404, "The requested resource could not be found.")
        return await self.create(request, by_version=False)

    async def create(self, request: Request, *, by_version: bool) -> Response:
        refused = self.admitted(request, "create")
        if refused is not None:
            return refused
        fault = self.faults["create"].popleft() if self.faults["create"] else ""
        if fault and fault not in ("lost", "late 500"):
            return await failed(fault)
        try:
            body = json.loads(await request.body())
            wrong = flaw(body, by_version=by_version)
        except ValueError:
            return problem(400, "The request body is not JSON.")
        if wrong:
            return problem(422, wrong)
        made = self.make(body)
        if fault == "lost":
            return Cut()
        return problem(500, "late") if fault else JSONResponse(self.view(made), 201)

    def make(self, body: Mapping[str, Any]) -> Made:
        now, took = time.time(), self.predict_s / self.speed
        prediction_id = hashlib.sha256(f"{now}{len(self.order)}".encode()).hexdigest()[:26]
        made = Made(prediction_id, body["input"], body.get("webhook"), now, now + took / 10, now + took)
        if body["input"].get("behaviour") == "never ends":
            made.ends = now + 1e9
        self.made[made.id] = made
        self.order.append(made.id)
        self.counts["created"] += 1
        if made.webhook and made.ends < now + 1e8:
            self.later(made.ends - now, made)
        return made

    # ── webhooks ────────────────────────────────────────────────────────────────────────────────────────────────

    def later(self, delay_s: float, made: Made) -> None:
        task = asyncio.create_task(self.call_back(delay_s, made))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def call_back(self, delay_s: float, made: Made) -> None:
        await asyncio.sleep(max(0.0, delay_s) + 0.001)
        if not self.webhooks or (self.faults["webhook"] and self.faults["webhook"].popleft()):
            return
        for pause_s in (0.0, *_WEBHOOK_RETRIES_S):
            await asyncio.sleep(pause_s)
            body = json.dumps(self.view(made)).encode()
            self.counts["webhooks"] += 1
            with suppress(httpx.HTTPError):
                answer = await self.http.post(made.webhook or "", content=body, headers=signed(made.id, body))
                if answer.is_success:
                    return
            self.counts["webhooks refused"] += 1

    # ── reads ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def list(self, request: Request) -> Response:
        refused = await self.admitted_read(request, "listed")
        if refused is not None:
            return refused
        if set(request.query_params) - {"cursor", "created_after", "created_before", "source"}:
            return problem(400, "There is no such parameter.")
        end = (
            int(base64.b64decode(request.query_params["cursor"]))
            if "cursor" in request.query_params
            else len(self.order)
        )
        begin = max(0, end - _PAGE)
        following = f"{request.base_url}v1/predictions?cursor={base64.b64encode(str(begin).encode()).decode()}"
        results = [self.view(self.made[each]) for each in reversed(self.order[begin:end])]
        return JSONResponse({"next": following if begin else None, "previous": None, "results": results})

    async def get(self, request: Request) -> Response:
        refused = await self.admitted_read(request, "got")
        if refused is not None:
            return refused
        made = self.made.get(request.path_params["id"])
        return JSONResponse(self.view(made)) if made else problem(404, "No Prediction matches the given query.")

    async def cancel(self, request: Request) -> Response:
        refused = await self.admitted_read(request, "canceled")
        if refused is not None:
            return refused
        made = self.made.get(request.path_params["id"])
        if made is None:
            return problem(404, "No Prediction matches the given query.")
        if time.time() < made.ends:
            made.canceled, made.ends = True, time.time()
        return JSONResponse(self.view(made))

    async def file(self, request: Request) -> Response:
        self.counts["fetched"] += 1
        made = self.made.get(request.path_params["id"])
        if (
            made is None
            or made.input.get("behaviour") == "missing"
            or time.time() > made.ends + max(30, 3_600 / self.speed)
        ):
            return problem(404, "expired")
        if made.input.get("behaviour") == "huge":
            return Response(b"x" * (60 * 1024 * 1024), media_type="image/png")
        return Response(PNG, media_type="image/png")

    # ── who is let in ───────────────────────────────────────────────────────────────────────────────────────────

    def admitted(self, request: Request, bucket: str) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            self.counts["unauthenticated"] += 1
            return problem(401, "Unauthenticated: You did not pass a valid authentication token")
        now = time.monotonic()
        if self.books[bucket].arrive(now):
            return None
        self.counts[f"{bucket} refused"] += 1
        wait_s = self.books[bucket].frees_in(now)
        return problem(429, f"Request was throttled. Expected available in {wait_s:.0f} second.", retry_after=wait_s)

    async def admitted_read(self, request: Request, word: str) -> Response | None:
        refused = self.admitted(request, "read")
        self.counts[word] += refused is None
        if refused is None and self.faults["read"]:
            return await failed(self.faults["read"].popleft())
        return refused

    # ── what it tells ───────────────────────────────────────────────────────────────────────────────────────────

    def view(self, made: Made) -> dict[str, Any]:
        status = self.status(made)
        base = f"http://{self.host}/v1/predictions/{made.id}"
        return {
            "id": made.id,
            "model": MODEL,
            "version": VERSION,
            "input": made.input,
            "logs": "",
            "output": self.output(made) if status == "succeeded" else None,
            "data_removed": False,
            "error": {
                "fails": "NSFW content detected",
                "breaks off": "Prediction interrupted; please retry (code: PA)",
            }[made.input["behaviour"]]
            if status == "failed"
            else None,
            "source": "api",
            "status": status,
            "created_at": at(made.created),
            "started_at": at(made.starts) if status != "starting" else None,
            "completed_at": at(made.ends) if status not in ("starting", "processing") else None,
            "metrics": {"predict_time": self.predict_s, "total_time": self.predict_s} if status == "succeeded" else {},
            "urls": {"get": base, "cancel": f"{base}/cancel", "web": f"https://replicate.com/p/{made.id}"},
        }

    def status(self, made: Made) -> str:
        now = time.time()
        if made.canceled:
            return "canceled"
        if now < made.ends:
            return "starting" if now < made.starts else "processing"
        return {"fails": "failed", "breaks off": "failed", "aborts": "aborted"}.get(
            str(made.input.get("behaviour")), "succeeded"
        )

    def output(self, made: Made) -> Any:
        file = f"http://{self.host}/files/{made.id}/"
        match made.input.get("behaviour"):
            case "two files":
                return [f"{file}0", f"{file}1"]
            case "text":
                return ["Hello", " ", "world"]
            case "json":
                return {"picture": f"{file}0", "score": 0.5, "boxes": [[1, 2, 3, 4]]}
            case "private":
                return "http://127.0.0.1:1/secret.png"
            case "data":
                return "data:image/png;base64," + base64.b64encode(PNG).decode()
            case _:
                return f"{file}0"

    async def figures(self, _request: Request) -> Response:
        told = [made.input for made in self.made.values()]
        arrivals = {name: book.arrivals for name, book in self.books.items()}
        statuses = Counter(self.status(made) for made in self.made.values())
        return JSONResponse({"counts": self.counts, "inputs": told, "arrivals": arrivals, "statuses": statuses})

    async def order_faults(self, request: Request) -> Response:
        for bucket, faults in (await request.json()).items():
            self.faults[bucket].extend(faults)
        return Response(status_code=204)


def flaw(body: Any, *, by_version: bool) -> str:
    """What is wrong with a creation's body, empty when nothing is."""
    if not isinstance(body, dict) or not isinstance(body.get("input"), dict):
        return "- input: is required"
    webhook, told = body.get("webhook"), body["input"]
    wrong = {
        "- (root): Additional property": set(body) - (_MEMBERS if by_version else _MEMBERS - {"version"}),
        "- version: Invalid version or not permitted": by_version and body.get("version") != VERSION,
        "- webhook: must be an HTTPS URL": webhook and not webhook.startswith(("https://", "http://127.0.0.1:")),
        "- webhook_events_filter: has no webhook": webhook is None and "webhook_events_filter" in body,
        "- webhook_events_filter: unknown event": set(body.get("webhook_events_filter") or ()) - _EVENTS,
        "- input: Additional property": set(told) - _INPUT,
        "- input.prompt: Invalid type. Expected: string": not isinstance(told.get("prompt", ""), str),
        "- input.aspect_ratio: Does not match pattern": ":" not in told.get("aspect_ratio", "1:1"),
        "- input.behaviour: unknown": told.get("behaviour", "") not in BEHAVIOURS,
    }
    return next((words for words, is_so in wrong.items() if is_so), "")


def problem(status: int, detail: str, *, retry_after: float | None = None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": str(int(retry_after) + 1)}
    return JSONResponse({"title": "told", "detail": detail, "status": status}, status, headers)


async def failed(fault: str) -> Response:
    if fault == "garbage":
        return JSONResponse({"id": 7, "status": "perhaps"}, 201)
    if fault == "html":
        return PlainTextResponse("<html>not quite</html>", 200)
    if fault == "hang":
        await asyncio.sleep(3_600)
    return problem(int(fault), f"as ordered, with {TOKEN}", retry_after=1.0 if fault == "429" else None)


def signed(message_id: str, body: bytes) -> dict[str, str]:
    """The headers of a webhook (Standard Webhooks)."""
    at_s = str(int(time.time()))
    key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, f"msg_{message_id}.{at_s}.".encode() + body, "sha256")
    signature = "v1," + base64.b64encode(mac).decode()
    head = {"webhook-id": f"msg_{message_id}", "webhook-timestamp": at_s, "webhook-signature": signature}
    return {"Content-Type": "application/json", **head}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
