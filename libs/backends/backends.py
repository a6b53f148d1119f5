"""The backends one worker process reaches, opened once and closed at its end."""

from __future__ import annotations

from dataclasses import dataclass

from libs.backends.comfyui import ComfyUI
from libs.backends.ocr import OcrEngine

__all__ = ["Backends"]


@dataclass(frozen=True, slots=True)
class Backends:
    """What a handler can call."""

    comfyui: ComfyUI
    ocr: OcrEngine
