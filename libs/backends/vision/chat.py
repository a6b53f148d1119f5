"""Chat completions in OpenAI's form, as Mistral, Qwen and Kimi publish them.

Schemas: docs.mistral.ai/api (chat, `image_url` content chunks) · alibabacloud.com/help/en/model-studio,
"OpenAI compatible - Vision" and "Structured output" · platform.kimi.ai/docs/api/chat and /docs/api/errors.
All three take `image_url.url` as a data URL and `response_format: {"type": "json_object"}`; they differ in what bounds
an answer, and in how a model is told not to think aloud first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from libs.backends.vision.dialect import TOKENS_MAX, DeclinedError, TruncatedError, Verdict
from libs.backends.vision.picture import Picture
from libs.backends.vision.task import BoxForm, Task

__all__ = ["KIMI", "MISTRAL", "QWEN", "ChatDialect"]

#: finish_reason: Mistral's model_length is its own word for the end of the context.
_TRUNCATED: Final = frozenset({"length", "model_length"})
#: Codes and types of errors: Kimi's, OpenAI's and Qwen's words for content that they filter.
_DECLINED: Final = frozenset(
    {"content_filter", "content_policy_violation", "data_inspection_failed", "DataInspectionFailed"}
)
#: Those that tell of the deployment's account, under a status that usually tells of a request.
_OPERATOR: Final = frozenset({"Arrearage", "AccessDenied", "InvalidApiKey", "invalid_api_key", "ModelNotFound"})
_OPERATOR_STATUSES: Final = frozenset({401, 402, 403, 404, 405})


class ChatDialect:
    """`options` are the members of a request in which one provider differs from another."""

    box_form: BoxForm = "bbox_2d"

    def __init__(self, **options: Any) -> None:
        self._options = options

    def headers(self, api_key: str) -> Mapping[str, str]:
        """A bearer token."""
        return {"Authorization": f"Bearer {api_key}"}

    def request(self, model: str, picture: Picture, task: Task) -> tuple[str, Mapping[str, Any]]:
        """One message of the user's: the picture, then what is wanted."""
        content = [
            {"type": "image_url", "image_url": {"url": picture.data_url}},
            {"type": "text", "text": task.prompt(self.box_form)},
        ]
        return "/chat/completions", {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "response_format": {"type": "json_object"},
            **self._options,
        }

    def answer(self, reply: Mapping[str, Any]) -> str:
        """The first choice's content."""
        choice = reply["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        if reason == "content_filter" or message.get("refusal"):
            raise DeclinedError
        if reason in _TRUNCATED:
            raise TruncatedError
        return _text(message["content"])

    def verdict(self, status: int, reply: Mapping[str, Any]) -> Verdict:
        """By the code of the error, else by the status."""
        error = reply.get("error")
        said = {str(part.get(name)) for part in (reply, error) if isinstance(part, dict) for name in ("code", "type")}
        if said & _DECLINED:
            return "declined"
        return "operator" if said & _OPERATOR or status in _OPERATOR_STATUSES else "unwanted"


def _text(content: Any) -> str:
    """A text, or Mistral's list of chunks, of which some are text."""
    if isinstance(content, str):
        return content
    return "".join(chunk["text"] for chunk in content if chunk["type"] == "text")


MISTRAL: Final = ChatDialect(max_tokens=TOKENS_MAX, temperature=0)
#: Its JSON mode is not to be had from a model that thinks aloud.
QWEN: Final = ChatDialect(max_tokens=TOKENS_MAX, temperature=0, enable_thinking=False)
#: Its newer models take no temperature but their own.
KIMI: Final = ChatDialect(max_completion_tokens=TOKENS_MAX, thinking={"type": "disabled"})
