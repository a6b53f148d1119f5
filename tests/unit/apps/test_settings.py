from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from apps.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, environment="development", **values)


@pytest.mark.parametrize(
    "values, start",
    [
        ({"vision_providers": "gemini,nobody"}, "VISION_PROVIDERS: nobody"),
        ({"egress_allowed_hosts": "http://files.internal"}, "EGRESS_ALLOWED_HOSTS"),
        ({"egress_denied_networks": "10.0.0.1/8"}, "EGRESS_ALLOWED_HOSTS or EGRESS_DENIED_NETWORKS"),
    ],
)
def test_what_would_be_reached_by_mistake_refuses_to_start(values: dict[str, Any], start: str) -> None:
    (line,) = settings(**values).refusals()
    assert line.startswith(start)


def test_a_provider_is_asked_when_it_has_a_key_and_is_named() -> None:
    some = settings(gemini_api_key="a", kimi_api_key="b", qwen_api_key="", vision_providers="qwen,gemini")
    assert [some.vision_api_key(name) for name in ("gemini", "mistral", "qwen", "kimi")] == ["a", "", "", ""]


def test_a_key_is_shown_nowhere() -> None:
    assert "canary" not in repr(settings(gemini_api_key="canary", qwen_api_key="canary"))


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "https://", "", "https:// x"])
def test_a_provider_is_at_an_http_address(url: str) -> None:
    with pytest.raises(ValidationError):
        settings(gemini_url=url)


@pytest.mark.parametrize(
    "variable, value, name",
    [
        ("TIMEOUT", "12", "vision_timeout"),
        ("MAX_RETRIES", "12", "vision_retries"),
        ("DASHSCOPE_API_KEY", "12", "qwen_api_key"),
        ("MOONSHOT_API_KEY", "12", "kimi_api_key"),
    ],
)
def test_the_variables_of_the_former_service_are_read(
    variable: str, value: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = getattr(settings(), name)
    assert str(getattr(found, "get_secret_value", lambda: found)()) in {"12", "12.0"}
