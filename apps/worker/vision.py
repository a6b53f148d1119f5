"""The vision providers of these settings: those that have a key, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from apps.resources import Resources
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
    settings, errors = resources.settings, resources.metrics.backend_errors
    asked = [name for name in settings.vision_providers if settings.vision_api_key(name)]
    return Vision(
        [_provider(resources, name) for name in dict.fromkeys(asked)],
        on_error=lambda name, code: errors.labels(name, code).inc(),
    )


def with_vision_retries(kinds: Mapping[str, Kind[Any]], retries: int) -> dict[str, Kind[Any]]:
    """The kinds, `detect` tried so many times more: its attempts are the one layer of retries there is."""
    return {**kinds, "detect": replace(kinds["detect"], attempts_max=1 + retries)}


def _provider(resources: Resources, name: str) -> Provider:
    settings = resources.settings
    url: str = getattr(settings, f"{name}_url")
    model: str = getattr(settings, f"{name}_model")
    return Provider(
        name,
        DIALECTS[name],
        url=url,
        api_key=settings.vision_api_key(name),
        model=model,
        breaker=resources.backends[name].breaker(resources.cells.shared),
        timeout_s=settings.vision_timeout,
    )
