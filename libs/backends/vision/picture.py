"""The image that a provider is shown."""

from __future__ import annotations

import base64
from dataclasses import dataclass

__all__ = ["Picture"]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image, its sniffed type, its width and height in pixels as its header says."""

    data: bytes
    content_type: str
    width: int
    height: int

    @property
    def base64(self) -> str:
        """Its bytes, as JSON carries them."""
        return base64.b64encode(self.data).decode()

    @property
    def data_url(self) -> str:
        """The same with its type in front (RFC 2397)."""
        return f"data:{self.content_type};base64,{self.base64}"
