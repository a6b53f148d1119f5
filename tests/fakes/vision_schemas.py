"""The requests that vision providers take, as they publish them; see `tests/fakes/vision_providers.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["TAKES", "Chat", "GenerateContent", "picture_in"]

#: The least that any of them takes of one picture: Qwen's ceiling of a data URL.
BASE64_MAX = 10 * 1024 * 1024


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ImageUrl(Strict):
    url: Annotated[str, Field(pattern=r"^data:image/(png|jpeg|webp);base64,", max_length=BASE64_MAX + 64)]


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl | str


class TextPart(Strict):
    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]


class Message(Strict):
    role: Literal["system", "user", "assistant"]
    content: Annotated[list[ImagePart | TextPart], Field(min_length=1)]


class ResponseFormat(Strict):
    type: Literal["text", "json_object"]


class Thinking(Strict):
    type: Literal["enabled", "disabled"]


class Chat(Strict):
    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    response_format: ResponseFormat | None = None
    stream: Literal[False] = False


class MistralChat(Chat):
    temperature: Annotated[float, Field(ge=0, le=1.5)] | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    safe_prompt: bool = False


class QwenChat(Chat):
    temperature: Annotated[float, Field(ge=0, lt=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    enable_thinking: bool = False


class KimiChat(Chat):
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    thinking: Thinking | None = None


class Gemini(Strict):
    """Its names are written in JSON's fashion."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Blob(Gemini):
    mime_type: Literal["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"]
    data: str


class Part(Gemini):
    inline_data: Blob | None = None
    text: str | None = None


class Content(Gemini):
    role: Literal["user", "model"]
    parts: Annotated[list[Part], Field(min_length=1)]


class Schema(Gemini):
    type: Literal["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"]
    properties: dict[str, Schema] | None = None
    items: Schema | None = None
    required: list[str] | None = None
    min_items: int | None = None
    max_items: int | None = None


class GenerationConfig(Gemini):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    response_mime_type: Literal["text/plain", "application/json"] = "text/plain"
    response_schema: Schema | None = None


class GenerateContent(Gemini):
    contents: Annotated[list[Content], Field(min_length=1)]
    generation_config: GenerationConfig = GenerationConfig()


#: The body of a request, by provider.
TAKES: Mapping[str, type[BaseModel]] = {
    "gemini": GenerateContent,
    "mistral": MistralChat,
    "qwen": QwenChat,
    "kimi": KimiChat,
}


def picture_in(body: BaseModel) -> tuple[str, str]:
    """The picture's declared type, and its base64."""
    if isinstance(body, GenerateContent):
        (blob,) = [part.inline_data for part in body.contents[0].parts if part.inline_data]
        return blob.mime_type, blob.data
    assert isinstance(body, Chat)
    (part,) = [part for part in body.messages[0].content if isinstance(part, ImagePart)]
    url = part.image_url.url if isinstance(part.image_url, ImageUrl) else part.image_url
    head, _, text = url.partition(",")
    return head.removeprefix("data:").removesuffix(";base64"), text
