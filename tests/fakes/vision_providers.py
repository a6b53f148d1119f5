"""Vision providers as real HTTP servers: strict about what their published schemas say, with faults on demand.

The schemas are those that `libs/backends/vision/chat.py` and `gemini.py` cite; a member that a provider does not list,
or a value it does not take, is refused as the provider would. Errors quote the key that was sent, as some do.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from libs.artifacts.sniff import sniff
from tests.fakes.vision_schemas import TAKES, Chat, picture_in
from tests.fakes.web_server import Answer, Asked, answer, cut, drip, hang, raw, web_server

__all__ = ["FAULTS", "LINES", "NAMES", "FakeProvider", "Line", "vision_provider"]

NAMES = ("gemini", "mistral", "qwen", "kimi")


@dataclass(frozen=True)
class Line:
    """A line that the model sees; the box is left, top, right, bottom, in thousandths."""

    text: str
    box: tuple[int, int, int, int] = (100, 200, 300, 400)
    confidence: float = 0.9


LINES = (Line("Hello"), Line("world", (500, 500, 1000, 750), 0.5))


@dataclass
class FakeProvider:
    """One provider. `faults` are used up one a request, then `always` if it is set; then it works."""

    name: str
    api_key: str
    model: str = "a-model"
    lines: tuple[Line, ...] = LINES
    faults: deque[str] = field(default_factory=deque)
    always: str | None = None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/models/{self.model}:generateContent" if self.name == "gemini" else "/chat/completions"

    def tell(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else self.always
        if fault is not None:
            return FAULTS[fault](self)
        refusal = self._refusal(asked)
        if refusal is not None:
            self.refused.append(str(refusal))
            return told(*refusal)
        body = json.loads(asked.body)
        return told(200, self.reply(json.dumps(self._seen(str(body)))))

    def _refusal(self, asked: Asked) -> tuple[int, Any] | None:
        if (asked.method, asked.path) != ("POST", self.path):
            return 404, self.error("not_found", f"no {asked.method} {asked.path}")
        if asked.headers.get("content-type") != "application/json":
            return 415, self.error("invalid_request_error", "no JSON")
        if refusal := self._wrong_key(asked):
            return refusal
        try:
            body = TAKES[self.name].model_validate_json(asked.body, strict=True)
        except ValidationError as error:
            return 422 if self.name == "mistral" else 400, self.error("invalid_request_error", str(error))
        return self._wrong_picture(body)

    def _wrong_key(self, asked: Asked) -> tuple[int, Any] | None:
        if self.name == "gemini":
            sent = asked.headers.get("x-goog-api-key", "")
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
            wrong = {"code": 400, "status": "INVALID_ARGUMENT", "message": f"no key: {sent}", "details": details}
            return None if sent == self.api_key else (400, {"error": wrong})
        sent = asked.headers.get("authorization", "")
        if sent == f"Bearer {self.api_key}":
            return None
        return 401, self.error("invalid_authentication_error", f"Incorrect API key provided: {sent}")

    def _wrong_picture(self, body: BaseModel) -> tuple[int, Any] | None:
        declared, text = picture_in(body)
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            return 400, self.error("invalid_request_error", "no base64")
        if sniff(data) != declared:
            return 400, self.error("invalid_request_error", f"{declared} was declared")
        if isinstance(body, Chat) and body.response_format and "json" not in body.model_dump_json().lower():
            return 400, self.error("invalid_request_error", "'messages' must contain the word 'json' in some form")
        self.pictures.append(data)
        return None

    def _seen(self, asked: str) -> dict[str, Any]:
        """What the model writes: regions when they were asked for, boxes as its kind writes them."""
        text = {"text": "\n".join(line.text for line in self.lines)}
        if "regions" not in asked:
            return text
        return {**text, "regions": [self._region(line) for line in self.lines]}

    def _region(self, line: Line) -> dict[str, Any]:
        left, top, right, bottom = line.box
        box = {"box_2d": [top, left, bottom, right]} if self.name == "gemini" else {"bbox_2d": list(line.box)}
        return {"text": line.text, **box, "confidence": line.confidence}

    def reply(self, text: str, finish: str | None = None) -> Any:
        """A whole reply around what the model wrote."""
        if self.name == "gemini":
            content = {"role": "model", "parts": [{"text": "let me see", "thought": True}, {"text": text}]}
            return {
                "candidates": [{"content": content, "finishReason": finish or "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
                "modelVersion": self.model,
            }
        chunks: Any = [{"type": "text", "text": text}] if self.name == "mistral" else text
        choice = {"index": 0, "message": {"role": "assistant", "content": chunks}, "finish_reason": finish or "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "cmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": self.model}
        return {**head, "choices": [choice], "usage": usage}

    def error(self, kind: str, message: str) -> Any:
        """An error, with more in it than should be told."""
        message = f"{message} (key {self.api_key})"
        match self.name:
            case "gemini":
                return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": []}}
            case "mistral":
                return {"object": "error", "message": message, "type": kind, "param": None, "code": "1000"}
            case "qwen":
                return {"error": {"message": message, "type": kind, "param": None, "code": kind}, "request_id": "1"}
            case _:
                return {"error": {"message": message, "type": kind}}

    def declining(self) -> Answer:
        """As each says that it will not read a picture."""
        match self.name:
            case "gemini":
                return told(200, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}})
            case "mistral":
                return told(200, self.reply("", "content_filter"))
            case "qwen":
                return told(400, self.error("data_inspection_failed", "inappropriate content"))
            case _:
                return told(400, self.error("content_filter", "considered high risk"))


def told(status: int, body: Any) -> Answer:
    return answer(status, json.dumps(body).encode(), Content_Type="application/json")


_HTML = b"<!doctype html><title>502 Bad Gateway</title>"

#: What may go wrong, by name.
FAULTS: Mapping[str, Callable[[FakeProvider], Answer]] = {
    "500": lambda fake: told(500, fake.error("server_error", "internal")),
    "503 in HTML": lambda _fake: answer(503, _HTML, Content_Type="text/html"),
    "408": lambda fake: told(408, fake.error("timeout", "timeout")),
    "200 in HTML": lambda _fake: answer(200, _HTML, Content_Type="text/html"),
    "a redirect": lambda _fake: answer(302, Location="http://127.0.0.1/"),
    "no HTTP": lambda _fake: raw(b"\x00\x01\x02\r\n\r\n"),
    "cut": lambda _fake: cut(b'{"choices": ['),
    "hang": lambda _fake: hang(),
    "drip": lambda _fake: drip(),
    "JSON of another kind": lambda _fake: told(200, {"hello": ["world"]}),
    "a list": lambda _fake: told(200, []),
    "no choice": lambda _fake: told(200, {"choices": [], "candidates": []}),
    "a choice of nothing": lambda _fake: told(200, {"choices": [None], "candidates": [None]}),
    "prose": lambda fake: told(200, fake.reply("The image says hello.")),
    "no text": lambda fake: told(200, fake.reply('{"regions": []}')),
    "a region of nothing": lambda fake: told(200, fake.reply('{"text": "a", "regions": [1]}')),
    "far too much": lambda fake: told(200, fake.reply(json.dumps({"text": "x" * 1_000_000}))),
    "429": lambda fake: answer(429, json.dumps(fake.error("rate_limit", "slow down")).encode(), Retry_After="7"),
    "401": lambda fake: told(401, fake.error("invalid_api_key", "wrong key")),
    "403": lambda fake: told(403, fake.error("permission_denied", "no money left")),
    "404": lambda fake: told(404, fake.error("model_not_found", "no such model")),
    "400": lambda fake: told(400, fake.error("invalid_request_error", "this image cannot be read")),
    "413": lambda fake: told(413, fake.error("invalid_request_error", "too large")),
    "declined": lambda fake: fake.declining(),
    "truncated": lambda fake: told(
        200, fake.reply('{"text": "and so o', "MAX_TOKENS" if fake.name == "gemini" else "length")
    ),
}


@asynccontextmanager
async def vision_provider(name: str, *, api_key: str = "", **options: Any) -> AsyncIterator[FakeProvider]:
    """A provider that listens until the end of the block."""
    fake = FakeProvider(name, api_key or f"secret-of-{name}-0123456789", **options)
    async with web_server(fake.tell) as server:
        fake.url = server.url
        yield fake
