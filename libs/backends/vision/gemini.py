"""Gemini's generateContent.

Schemas: ai.google.dev/api/generate-content (GenerateContentRequest, GenerateContentResponse, FinishReason,
BlockReason) · ai.google.dev/gemini-api/docs/image-understanding (inline data, `box_2d`) · /docs/troubleshooting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from libs.backends.vision.dialect import TOKENS_MAX, DeclinedError, TruncatedError, UnwantedError, Verdict
from libs.backends.vision.picture import Picture
from libs.backends.vision.task import BoxForm, Task

__all__ = ["GEMINI", "GeminiDialect"]

_DECLINED: Final = frozenset({"SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"})
_UNWANTED: Final = frozenset({"RECITATION", "LANGUAGE", "OTHER"})
_OPERATOR_STATUSES: Final = frozenset({401, 403, 404, 405})


class GeminiDialect:
    """The v1beta API, which is the one with a schema for answers."""

    box_form: BoxForm = "box_2d"

    def headers(self, api_key: str) -> Mapping[str, str]:
        """The key in its header; as `?key=` it would stand in logs."""
        return {"x-goog-api-key": api_key}

    def request(self, model: str, picture: Picture, task: Task) -> tuple[str, Mapping[str, Any]]:
        """One turn of the user's: the picture, then what is wanted."""
        parts = [
            {"inlineData": {"mimeType": picture.content_type, "data": picture.base64}},
            {"text": task.prompt(self.box_form)},
        ]
        return f"/models/{quote(model, safe='')}:generateContent", {
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": {
                "temperature": 0,
                "maxOutputTokens": TOKENS_MAX,
                "responseMimeType": "application/json",
                "responseSchema": task.schema(self.box_form),
            },
        }

    def answer(self, reply: Mapping[str, Any]) -> str:
        """The first candidate's text, less what it thought."""
        if (reply.get("promptFeedback") or {}).get("blockReason"):
            raise DeclinedError
        candidate = reply["candidates"][0]
        match candidate.get("finishReason"):
            case str(reason) if reason in _DECLINED:
                raise DeclinedError
            case str(reason) if reason in _UNWANTED:
                raise UnwantedError
            case "MAX_TOKENS":
                raise TruncatedError
        return "".join(part["text"] for part in candidate["content"]["parts"] if not part.get("thought"))

    def verdict(self, status: int, reply: Mapping[str, Any]) -> Verdict:
        """A wrong key is a 400 here, and so is a country without a free tier (FAILED_PRECONDITION)."""
        error = reply.get("error")
        error = error if isinstance(error, dict) else {}
        details = error.get("details")
        reasons = {detail.get("reason") for detail in details or () if isinstance(detail, dict)}
        operator = status in _OPERATOR_STATUSES or "API_KEY_INVALID" in reasons
        return "operator" if operator or error.get("status") == "FAILED_PRECONDITION" else "unwanted"


GEMINI: Final = GeminiDialect()
