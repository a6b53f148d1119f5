"""The backends one worker process reaches, opened once and closed at its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from libs.backends.cage import ForkServer
from libs.backends.comfyui import ComfyUI
from libs.backends.fleet.fleet import Fleet
from libs.backends.ocr import OcrEngine
from libs.backends.pictures import PictureCleaner
from libs.backends.prediction import Predictions
from libs.backends.vision import Vision
from libs.egress import Egress

__all__ = ["Backends"]


@dataclass(frozen=True, slots=True)
class Backends:
    """What a handler can call. `comfyui` is the server of the fleet that its attempt was claimed with."""

    comfyui: ComfyUI
    ocr: OcrEngine
    vision: Vision = field(default_factory=Vision)
    egress: Egress = field(default_factory=Egress)
    predictions: Predictions = field(default_factory=Predictions)
    fleet: Fleet = field(default_factory=Fleet)
    pictures: PictureCleaner = field(default_factory=lambda: PictureCleaner(ForkServer()))

    def at(self, server: str) -> Backends:
        """The same for an attempt that was claimed with that server of the fleet, or with none (empty)."""
        return replace(self, comfyui=self.fleet.at(server))
