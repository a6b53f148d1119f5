"""The vision providers of a deployment: those that are configured, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from apps.resources import Resources
from libs.backends.configured import ConfiguredBackend
from libs.backends.vision import Provider, Vision
from libs.backends.vision.chat import KIMI, MISTRAL, QWEN
from libs.backends.vision.dialect import Dialect
from libs.backends.vision.gemini import GEMINI
from libs.kinds.kind import Kind

__all__ = ["DIALECTS", "open_vision", "with_vision_retries"]

#: How each provider is spoken to.
DIALECTS: Final[Mapping[str, Dialect]] = {"gemini": GEMINI, "mistral": MISTRAL, "qwen": QWEN, "kimi": KIMI}


def open_vision(resources: Resources) -> Vision:
    """Connects to nothing yet; to be closed."""
    errors = resources.metrics.backend_errors
    asked = [each for each in resources.backends.values() if each.protocol == "vision" and each.is_configured]
    return Vision(
        [_provider(resources, backend) for backend in asked],
        on_error=lambda name, code: errors.labels(name, code).inc(),
    )


def with_vision_retries(kinds: Mapping[str, Kind[Any]], retries: int) -> dict[str, Kind[Any]]:
    """The kinds, `detect` tried so many times more: its attempts are the one layer of retries there is."""
    return {**kinds, "detect": replace(kinds["detect"], attempts_max=1 + retries)}


def _provider(resources: Resources, backend: ConfiguredBackend) -> Provider:
    return Provider(
        backend.name,
        DIALECTS[backend.dialect],
        url=backend.url,
        api_key=backend.secret,
        model=backend.model,
        breaker=backend.breaker(resources.cells.shared),
        timeout_s=backend.timeout_s,
    )
