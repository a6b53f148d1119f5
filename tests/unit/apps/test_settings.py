from __future__ import annotations

from pathlib import Path
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
        ({"backends_file": "nowhere.toml"}, "BACKENDS_FILE: nowhere.toml cannot be read"),
        ({"comfyui_url": "http://a, ftp://b"}, "COMFYUI_URL: it must begin with http"),
        ({"comfyui_url": "http://a, http://a/"}, "COMFYUI_URL: it may name up to"),
        ({"replicate_models": "a/b, b"}, "REPLICATE_MODELS: b is neither"),
        ({"replicate_webhook_secret": "whsec_é"}, "REPLICATE_WEBHOOK_SECRET must be what the provider shows"),
    ],
)
def test_what_would_be_reached_by_mistake_refuses_to_start(values: dict[str, Any], start: str) -> None:
    (line,) = settings(**values).refusals()
    assert line.startswith(start)


def test_any_model_or_certain_ones_may_be_named() -> None:
    assert settings(replicate_models="*", public_url="http://127.0.0.1:1").refusals() == []
    assert settings(replicate_models=f"a/b,c.d/e-f:{'0' * 64}", replicate_image_model="a/b").refusals() == []
    with pytest.raises(ValidationError):
        settings(replicate_image_model="b")


def test_an_address_that_no_provider_calls_refuses_to_start() -> None:
    lines = Settings(_env_file=None, environment="production", public_url="http://api.example.com").refusals()
    assert any(line.startswith("PUBLIC_URL must begin with https://") for line in lines)


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


#: What a deployment may serve with; each row below spoils one thing of it.
SAFE: dict[str, Any] = {
    "environment": "production",
    "api_key_pepper": "p" * 32,
    "minio_access_key": "ours",
    "minio_secret_key": "one of our own",
    "redis_url": "redis://:a-password@redis.internal:6379/0",
    "cors_origins": "https://ours.example",
}


def deployed(**changes: Any) -> list[str]:
    return Settings(_env_file=None, **(SAFE | changes)).refusals()


@pytest.mark.parametrize("environment", ["production", "staging", "prod", "PRODUCTION"])
def test_a_safe_configuration_may_serve(environment: str) -> None:
    assert deployed(environment=environment) == []


@pytest.mark.parametrize("environment", ["production", "staging"])
@pytest.mark.parametrize(
    "changes, named",
    [
        ({"api_key_pepper": ""}, "API_KEY_PEPPER"),
        ({"api_key_pepper": "p" * 31}, "API_KEY_PEPPER"),
        ({"api_key_pepper_previous": "p" * 32 + ",short"}, "API_KEY_PEPPER_PREVIOUS"),
        ({"minio_secret_key": "minioadmin"}, "MINIO_SECRET_KEY"),
        ({"minio_secret_key": ""}, "MINIO_SECRET_KEY"),
        ({"minio_access_key": ""}, "MINIO_ACCESS_KEY"),
        ({"redis_url": "redis://redis.internal:6379/0"}, "REDIS_URL"),
        ({"redis_url": "redis://user@10.0.0.1:6379/0"}, "REDIS_URL"),
        ({"redis_url": "rediss://redis.internal:6379/0"}, "REDIS_URL"),
        ({"cors_origins": "*"}, "CORS_ORIGINS"),
        ({"cors_origins": "https://ours.example,*"}, "CORS_ORIGINS"),
        ({"auth_enabled": False}, "AUTH_ENABLED"),
        ({"rate_limit_enabled": False}, "RATE_LIMIT_ENABLED"),
        ({"auth_enabled": False, "host": "127.0.0.1"}, "AUTH_ENABLED"),
    ],
)
def test_each_unsafe_thing_is_refused_in_one_line_that_says_what_to_set(
    environment: str, changes: dict[str, Any], named: str
) -> None:
    (line,) = deployed(environment=environment, **changes)
    assert named in line


@pytest.mark.parametrize("switch", ["auth_enabled", "rate_limit_enabled"])
@pytest.mark.parametrize(
    "host, may", [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)]
)
def test_in_development_they_may_be_off_on_this_machine_alone(switch: str, host: str, *, may: bool) -> None:
    off: dict[str, Any] = {switch: False}
    assert (settings(host=host, **off).refusals() == []) is may


def test_all_that_is_wrong_is_told_at_once_and_no_secret_with_it() -> None:
    lines = deployed(api_key_pepper="canary", redis_url="redis://canary@redis.internal:6379/0", cors_origins="*")
    assert len(lines) == 3
    assert "canary" not in "".join(lines)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "redis://localhost:6379/0", "redis://[::1]:6379/0"])
def test_a_redis_on_this_machine_needs_no_password(url: str) -> None:
    assert deployed(redis_url=url) == []


def test_there_is_no_debug_switch() -> None:
    assert not [name for name in Settings.model_fields if "debug" in name or "reload" in name]


def test_a_list_of_addresses_is_a_fleet_whose_first_server_keeps_its_name() -> None:
    assert settings(comfyui_url=None).comfyui_servers() == ()
    found = settings(comfyui_url="http://a:8188, http://b:8188/").comfyui_servers()
    assert [(server.name, server.url, server.slots) for server in found] == [
        ("comfyui", "http://a:8188", 1),
        ("comfyui-2", "http://b:8188", 1),
    ]


BACKENDS = """
[mine]
protocol = "prediction"
url = "http://127.0.0.1:5000"
secret_env = "MY_TOKEN"
"""


def test_the_backends_file_names_variables_of_the_environment_or_of_dot_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("backends.toml").write_text(BACKENDS)
    (line,) = settings(backends_file="backends.toml").refusals()
    assert line == "BACKENDS_FILE: backends.toml: [mine] secret_env: the variable MY_TOKEN is not set, or empty"
    Path(".env").write_text("MY_TOKEN=from the file\n")
    assert settings(backends_file="backends.toml").read_backends_file()[0].secret == "from the file"
    monkeypatch.setenv("MY_TOKEN", "from the environment")
    assert settings(backends_file="backends.toml").read_backends_file()[0].secret == "from the environment"


#: Every variable of the upload service's own `.env`.
UPLOAD_SERVICE = """
CRICKSY_ENABLE_UPLOADS=false
CRICKSY_ENABLE_OCR=0
CRICKSY_S3_ENDPOINT_URL=https://s3.internal.example/
CRICKSY_S3_BUCKET=scans
CRICKSY_S3_REGION=eu-central-1
CRICKSY_S3_ACCESS_KEY=scanner
CRICKSY_S3_SECRET_KEY=scanner's secret
CRICKSY_S3_PRESIGNED_EXPIRY=1800
CRICKSY_CELERY_BROKER_URL=redis://:word@broker.internal:6379/3
CRICKSY_CELERY_RESULT_BACKEND=redis://:word@broker.internal:6379/4
CRICKSY_LOG_LEVEL=debug
CRICKSY_CORS_ORIGINS=["https://a.example", "https://b.example"]
CRICKSY_USE_REDIS_ADAPTER=true
DATABASE_URL=postgresql://scans
"""


def test_the_env_file_of_the_upload_service_means_here_what_it_meant_there(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(UPLOAD_SERVICE)
    found = Settings(_env_file=tmp_path / "env")
    assert (found.uploads_enabled, found.ocr_enabled) == (False, False)
    assert (found.minio_endpoint, found.minio_use_ssl) == ("s3.internal.example", True)
    assert (found.minio_bucket, found.minio_region) == ("scans", "eu-central-1")
    assert (found.minio_access_key, found.minio_secret_key.get_secret_value()) == ("scanner", "scanner's secret")
    assert found.redis_url.get_secret_value() == "redis://:word@broker.internal:6379/3"
    assert (found.upload_url_ttl, found.log_level) == (1800, "DEBUG")
    assert found.cors_origins == ("https://a.example", "https://b.example")


def test_our_names_win_over_those_of_former_services(tmp_path: Path) -> None:
    ours = "REDIS_URL=redis://ours\nCRICKSY_REDIS_URL=redis://theirs\nMINIO_USE_SSL=false\nMINIO_ENDPOINT=ours:9000\n"
    (tmp_path / "env").write_text(UPLOAD_SERVICE + ours)
    found = Settings(_env_file=tmp_path / "env")
    assert found.redis_url.get_secret_value() == "redis://ours"
    assert (found.minio_endpoint, found.minio_use_ssl) == ("ours:9000", False)


def test_the_redis_of_the_upload_service_wins_over_its_broker(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("CRICKSY_CELERY_BROKER_URL=redis://broker\nCRICKSY_REDIS_URL=redis://store\n")
    assert Settings(_env_file=tmp_path / "env").redis_url.get_secret_value() == "redis://store"


@pytest.mark.parametrize("written, level", [("info", "INFO"), ("Warn", "WARNING"), ("fatal", "CRITICAL")])
def test_a_level_is_understood_as_people_write_it(written: str, level: str) -> None:
    assert settings(log_level=written).log_level == level


def test_a_list_may_be_json_or_have_commas_between() -> None:
    assert settings(worker_queues='["gpu","cpu"]').worker_queues == settings(worker_queues="gpu, cpu").worker_queues
    assert settings(cors_origins="[half").cors_origins == ("[half",), "what is no JSON is a name, and fails as one"


def test_metrics_are_public_by_setting_only() -> None:
    assert Settings(_env_file=None).metrics_public is False
