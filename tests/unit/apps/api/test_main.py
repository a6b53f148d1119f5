from __future__ import annotations

from typing import Any

import pytest

from apps.api.main import serve
from apps.settings import Settings

SAFE: dict[str, Any] = {"environment": "production", "api_key_pepper": "p" * 32, "minio_secret_key": "one of our own"}


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"api_key_pepper": "short"}, "API_KEY_PEPPER"),
        ({"auth_enabled": False}, "AUTH_ENABLED"),
        ({"rate_limit_enabled": False, "environment": "development", "host": "0.0.0.0"}, "RATE_LIMIT_ENABLED"),
        ({"minio_secret_key": "minioadmin"}, "MINIO_SECRET_KEY"),
        ({"cors_origins": "*"}, "CORS_ORIGINS"),
    ],
)
def test_an_unsafe_configuration_refuses_to_start_and_says_what_to_set(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], named: str
) -> None:
    assert serve(Settings(_env_file=None, **(SAFE | changes))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("arqade api: ")
    assert named in lines[0]
