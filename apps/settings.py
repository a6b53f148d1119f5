"""Settings: the only reader of the environment.

Every variable keeps the name it had in the services that Arqade replaces, without a prefix of ours. A `.env` file in
the working directory is read too; the environment wins. Values are checked here, and what is unsafe for a
deployment is refused at start-up: see `refusals`.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from apps.environment import forget, secret_variables, variables_of
from libs.access.plans import read_plans_file
from libs.backends.backends_file import DIALECTS, http_url, read_backends_file
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.prediction import MODEL_NAME
from libs.egress import Rules
from libs.limits import BYTES_IN_FLIGHT_SHARES, FLEET_SERVERS_MAX
from libs.store.url import parse_url

__all__ = ["VISION_PROVIDERS", "Settings", "known_variables", "variables_set"]

#: The vision providers there are, in the order in which they are asked when nobody says.
VISION_PROVIDERS = DIALECTS

_PEPPER_BYTES_MIN = 32
_WEBHOOK_SECRET = re.compile(r"(?:whsec_)?[A-Za-z0-9+/]+={0,2}", re.ASCII)
_WELL_KNOWN_SECRETS = frozenset({"", "minioadmin", "minio", "admin", "password", "secret", "changeme", "minio123"})


def _environment(value: object) -> object:
    """`dev` and `prod` are what people write."""
    return {"dev": "development", "prod": "production"}.get(str(value).lower(), str(value).lower())


def _comma_separated(text: str) -> tuple[str, ...]:
    """`a, b` in a variable is a list of two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _names(value: object) -> object:
    """`a, b`, or the JSON list that the former services wrote."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        with suppress(ValueError):
            return tuple(str(part) for part in json.loads(value))
    return _comma_separated(value)


def _level(value: object) -> object:
    """Upper or lower case, and the short names that other programs have."""
    level = str(value).upper()
    return {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)


def _without_scheme(value: object) -> object:
    """Host and port of what may be a URL; `_says_tls` reads the scheme."""
    return re.sub(r"^https?://|/$", "", value) if isinstance(value, str) else value


def _says_tls(value: object) -> object:
    """True and false for a URL, by its scheme; anything else as it is."""
    scheme, colon, _rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    return scheme == "https" if colon else value


HttpUrlText = Annotated[str, Field(pattern=r"^https?://[^/\s]")]
Names = Annotated[tuple[str, ...] | str, BeforeValidator(_names)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)]
Authority = Annotated[str, BeforeValidator(_without_scheme)]
Tls = Annotated[bool, BeforeValidator(_says_tls)]


class Settings(BaseSettings):
    """What a process is told by its environment. Sizes are in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    #: What variables held that the backends file names: asked for once.
    _asked: dict[str, SecretStr] = PrivateAttr(default_factory=dict)

    # The deployment
    api_version: str = "1.0.0"
    environment: Annotated[Literal["development", "staging", "production"], BeforeValidator(_environment)] = (
        "production"
    )
    log_level: LogLevel = Field("INFO", validation_alias=AliasChoices("log_level", "cricksy_log_level"))
    log_format: Literal["json", "text"] = "json"

    # Switches
    jobs_enabled: bool = True
    uploads_enabled: bool = Field(
        default=True, validation_alias=AliasChoices("uploads_enabled", "cricksy_enable_uploads")
    )
    ocr_enabled: bool = Field(default=True, validation_alias=AliasChoices("ocr_enabled", "cricksy_enable_ocr"))
    auth_enabled: bool = True
    rate_limit_enabled: bool = True

    # The API process
    host: str = "127.0.0.1"
    public_url: HttpUrlText | None = None
    port: int = Field(8000, ge=0, le=65535)
    prometheus_port: int | None = None
    metrics_public: bool = False
    app_status_public: bool = False
    trusted_proxies: Names = ()
    allowed_hosts: Names = ()
    connections_per_address: int = Field(1_000, ge=1)
    drain_grace_s: float = Field(20.0, ge=0, description="How long a stopping process lets its work finish")

    # Redis
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("redis_url", "cricksy_redis_url", "cricksy_celery_broker_url"),
    )
    redis_prefix: str = "arqade"
    redis_appendfsync: Literal["everysec", "always"] = "everysec"
    redis_timeout_s: float = Field(0.8, gt=0, description="How long one command may take")

    # The object store
    minio_endpoint: Authority = Field(
        "127.0.0.1:9000", validation_alias=AliasChoices("minio_endpoint", "cricksy_s3_endpoint_url")
    )
    minio_public_endpoint: str | None = None
    minio_access_key: str = Field(
        "minioadmin", validation_alias=AliasChoices("minio_access_key", "cricksy_s3_access_key")
    )
    minio_secret_key: SecretStr = Field(
        SecretStr("minioadmin"), validation_alias=AliasChoices("minio_secret_key", "cricksy_s3_secret_key")
    )
    minio_bucket: str = Field("arqade", validation_alias=AliasChoices("minio_bucket", "cricksy_s3_bucket"))
    minio_region: str = Field("us-east-1", validation_alias=AliasChoices("minio_region", "cricksy_s3_region"))
    minio_use_ssl: Tls = Field(
        default=False, validation_alias=AliasChoices("minio_use_ssl", "minio_secure", "cricksy_s3_endpoint_url")
    )
    minio_bucket_public_read: bool = False
    artifact_url_ttl: int = Field(7 * 86_400, ge=1, le=7 * 86_400, description="Ceiling over the plans' URL lifetimes")
    upload_url_ttl: int = Field(
        3_600, ge=1, validation_alias=AliasChoices("upload_url_ttl", "cricksy_s3_presigned_expiry")
    )
    upload_bytes_max: int = Field(50 * 1024 * 1024, ge=1)

    # Keys
    api_key_pepper: SecretStr = Field(SecretStr(""), description="The secret that API keys are hashed with")
    api_key_pepper_previous: SecretStr = Field(SecretStr(""), description="Former ones, with commas between")
    api_key_length: int = Field(32, ge=32, le=64, description="Random bytes of a new key")
    api_key_ttl: int = Field(365 * 86_400, ge=60)

    # Limits
    plans_file: Path | None = None
    rate_limit_requests: int | None = Field(None, ge=1, description="Ceiling over the plans' submits in a window")
    rate_limit_window: int = Field(60, ge=1, le=3_600)
    fleet_ceiling_per_minute: int = Field(10_000, ge=1, description="What `unlimited` shows in rate headers")
    ocr_ecosteps_per_minute: int = Field(10, ge=1, description="Submissions of one address to the alias of `ocr`")
    max_queue_size: int = Field(1_000_000, ge=1)
    job_deadline: int = Field(86_400, ge=1, description="How long a job may wait before it is `expired`")
    archive_after: int = Field(
        86_400, ge=1, le=86_400, description="Seconds after its end at which a job's record moves to the object store"
    )
    body_bytes_max: int = Field(
        10 * 1024 * 1024, ge=1_024, validation_alias=AliasChoices("body_bytes_max", "max_upload_size")
    )

    bytes_in_flight_max: int = Field(
        128 * 1024 * 1024, ge=1024 * 1024, description="What one API process holds of all callers' bytes at once"
    )

    # The worker process
    worker_queues: Names = ("gpu", "cpu", "net")
    arq_worker_concurrency: int = Field(5, ge=1, le=1_000)
    workers: int = Field(1, ge=1, le=64, validation_alias=AliasChoices("workers", "worker_count"))
    job_timeout: float = Field(1_200.0, gt=0, description="Ceiling over the kinds' own timeouts")
    worker_recycle_after: int | None = Field(None, ge=1, description="Jobs after which a worker ends, to be restarted")
    lease_s: float = Field(3.0, ge=0.2, le=60)

    # Backends
    backends_file: Path | None = None
    comfyui_url: str | None = None
    comfyui_timeout: float = Field(
        300.0,
        gt=0,
        description="How long a running prompt may show no sign of life: no progress, no node that begins",
    )
    comfyui_retry_interrupted: bool = Field(
        default=False, description="Try again what somebody has interrupted in ComfyUI's own page"
    )
    ocr_processes: int = Field(1, ge=1, le=64)
    replicate_url: HttpUrlText = "https://api.replicate.com/v1"
    replicate_api_token: SecretStr | None = None
    replicate_rpm: int = Field(450, ge=1, description="Predictions that may be created in a minute, by all workers")
    replicate_reads_rpm: int = Field(3_000, ge=1, description="The same for reads, which the provider counts apart")
    replicate_window_s: float = Field(60.0, gt=0, le=3_600, description="What the provider takes for a minute")
    replicate_in_flight_max: int = Field(2_000, ge=1, le=10_000)
    replicate_image_model: str = Field("", pattern=rf"^({MODEL_NAME})?$")
    replicate_models: Names = ()
    replicate_image_member: str = Field("image", pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\[\])?$")
    replicate_default_aspect_ratio: str = ""
    replicate_max_wait_ms: int = Field(300_000, ge=1_000, le=86_400_000)
    replicate_webhook_secret: SecretStr | None = None
    circuit_breaker_threshold: int = Field(5, ge=1, description="Failures in a row after which a backend is left alone")

    raw_workflow_classes: Names = Field(
        (), description="Node classes that raw graphs may use beside the core ones, by name or pattern"
    )

    # Vision: the text in images
    vision_providers: Names = VISION_PROVIDERS
    vision_timeout: float = Field(30.0, gt=0, validation_alias=AliasChoices("vision_timeout", "timeout"))
    vision_retries: int = Field(3, ge=0, le=20, validation_alias=AliasChoices("vision_retries", "max_retries"))
    gemini_api_key: SecretStr | None = None
    gemini_url: HttpUrlText = "https://generativelanguage.googleapis.com/v1beta"
    gemini_model: str = "gemini-flash-latest"
    mistral_api_key: SecretStr | None = None
    mistral_url: HttpUrlText = "https://api.mistral.ai/v1"
    mistral_model: str = "mistral-small-latest"
    qwen_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("qwen_api_key", "dashscope_api_key"))
    qwen_url: HttpUrlText = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    qwen_model: str = "qwen3-vl-flash"
    kimi_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("kimi_api_key", "moonshot_api_key"))
    kimi_url: HttpUrlText = "https://api.moonshot.ai/v1"
    kimi_model: str = "kimi-k2.6"

    # Webhooks
    webhook_slots: int = Field(32, ge=0, le=1_000, description="Deliveries that a worker process makes at once")

    # Addresses that callers choose
    egress_http_allowed: bool = False
    egress_allowed_hosts: Names = ()
    egress_denied_networks: Names = ()

    # Browsers
    cors_origins: Names = Field((), validation_alias=AliasChoices("cors_origins", "cricksy_cors_origins"))

    def refusals(self) -> list[str]:
        """Why this configuration must not serve: one line each, with what to set. Empty when it may."""
        found = [*self._redis_refusals(), *self._plan_refusals(), *self._backend_refusals(), *self._outbound_refusals()]
        found += self._size_refusals()
        if not (self.auth_enabled and self.rate_limit_enabled) and not self._toy:
            found.append(
                "AUTH_ENABLED and RATE_LIMIT_ENABLED may be false only with ENVIRONMENT=development on a loopback HOST"
            )
        return found if self.environment == "development" else [*found, *self._weak_secrets()]

    def _redis_refusals(self) -> list[str]:
        try:
            address = parse_url(self.redis_url.get_secret_value())
        except ValueError as error:
            return [f"REDIS_URL: {error}"]
        here = address.socket is not None or all(_is_loopback(host) for host, _port in address.hosts)
        if here or address.login.password or self.environment == "development":
            return []
        return ["REDIS_URL has no password, and is not on this machine: redis://:PASSWORD@HOST:PORT/0"]

    def _size_refusals(self) -> list[str]:
        needed = BYTES_IN_FLIGHT_SHARES * 2 * self.body_bytes_max  # a body lies there twice while it is joined
        if self.bytes_in_flight_max >= needed:
            return []
        return [f"BYTES_IN_FLIGHT_MAX must be {needed} at least, or nobody could send a body of BODY_BYTES_MAX"]

    def _plan_refusals(self) -> list[str]:
        try:
            read_plans_file(self.plans_file)
        except ValueError as error:
            return [f"PLANS_FILE: {error}"]
        return []

    def _backend_refusals(self) -> list[str]:
        found: list[str] = []
        for name, read in (("BACKENDS_FILE", self.read_backends_file), ("COMFYUI_URL", self.comfyui_servers)):
            try:
                read()
            except ValueError as error:
                found.append(f"{name}: {error}")
        return found

    def _outbound_refusals(self) -> list[str]:
        found = self._prediction_refusals()
        unknown = [name for name in self.vision_providers if name not in VISION_PROVIDERS]
        found += [f"VISION_PROVIDERS: {name} is none of {', '.join(VISION_PROVIDERS)}" for name in unknown]
        try:
            _ = self.egress_rules
        except ValueError as error:
            found.append(f"EGRESS_ALLOWED_HOSTS or EGRESS_DENIED_NETWORKS: {error}")
        return found

    def _prediction_refusals(self) -> list[str]:
        named = [name for name in self.replicate_models if name != "*" and not re.fullmatch(MODEL_NAME, name)]
        found = [f"REPLICATE_MODELS: {name} is neither owner/name nor owner/name:version" for name in named]
        if self.replicate_webhook_secret and not _WEBHOOK_SECRET.fullmatch(
            self.replicate_webhook_secret.get_secret_value()
        ):
            found.append("REPLICATE_WEBHOOK_SECRET must be what the provider shows: whsec_ and base64")
        if self.public_url and not self.public_url.startswith("https://") and self.environment != "development":
            found.append("PUBLIC_URL must begin with https:// : prediction APIs call no other address back")
        return found

    def _weak_secrets(self) -> list[str]:
        found: list[str] = []
        if len(self.api_key_pepper.get_secret_value()) < _PEPPER_BYTES_MIN and self.auth_enabled:
            found.append(f"API_KEY_PEPPER must be at least {_PEPPER_BYTES_MIN} characters: openssl rand -hex 32")
        if any(len(pepper) < _PEPPER_BYTES_MIN for pepper in self.former_peppers):
            found.append(f"API_KEY_PEPPER_PREVIOUS holds one of less than {_PEPPER_BYTES_MIN} characters")
        if self.minio_secret_key.get_secret_value() in _WELL_KNOWN_SECRETS:
            found.append("MINIO_SECRET_KEY is empty or a well-known default: set one of your own")
        if not self.minio_access_key:
            found.append("MINIO_ACCESS_KEY is empty: set the one of MINIO_SECRET_KEY")
        if "*" in self.cors_origins:
            found.append("CORS_ORIGINS may not be * : name the origins")
        return found

    def read_backends_file(self) -> tuple[ConfiguredBackend, ...]:
        """The backends that the file names, none where there is no file. Raises ValueError."""
        return read_backends_file(self.backends_file, self._variable)

    def forget_secrets(self) -> dict[str, str]:
        """Take what is secret out of this process's environment; these settings keep it. Returns the variables.

        To be called once nothing else is going to be read from there.
        """
        with suppress(ValueError):  # why it cannot be read, `refusals` says
            self.read_backends_file()  # which asks for the variables that it names
        return forget(secret_variables(Settings) | self._asked.keys())

    def _variable(self, name: str) -> str:
        """What a variable that the backends file names holds, in the environment or in `.env`; empty when not set."""
        if name not in self._asked:
            told = os.environ.get(name) or str((_DotEnv().model_extra or {}).get(name.lower()) or "")
            self._asked[name] = SecretStr(told)
        return self._asked[name].get_secret_value()

    def comfyui_servers(self) -> tuple[ConfiguredServer, ...]:
        """The servers that COMFYUI_URL names, one slot each. Raises ValueError.

        The first keeps the name that the only one has always had, so that jobs under way find their prompts.
        """
        urls = [http_url(url) for url in _comma_separated(self.comfyui_url or "")]
        if len(set(urls)) < len(urls) or len(urls) > FLEET_SERVERS_MAX:
            raise ValueError(f"it may name up to {FLEET_SERVERS_MAX} servers, each once")
        names = ("comfyui", *(f"comfyui-{number}" for number in range(2, len(urls) + 1)))
        return tuple(ConfiguredServer(name, url) for name, url in zip(names, urls, strict=False))

    def vision_api_key(self, provider: str) -> str:
        """The key for a vision provider; empty where there is none, or where the provider is not to be asked."""
        key: SecretStr | None = getattr(self, f"{provider}_api_key")
        return key.get_secret_value() if key and provider in self.vision_providers else ""

    @property
    def egress_rules(self) -> Rules:
        """What callers may make us reach. Raises ValueError for a host or a network that is none."""
        hosts, denied = tuple(self.egress_allowed_hosts), tuple(self.egress_denied_networks)
        return Rules.of(http_allowed=self.egress_http_allowed, hosts=hosts, denied=denied)

    @property
    def former_peppers(self) -> tuple[str, ...]:
        """The peppers that api keys were hashed with before."""
        return tuple(part for part in self.api_key_pepper_previous.get_secret_value().split(",") if part)

    @property
    def _toy(self) -> bool:
        return self.environment == "development" and _is_loopback(self.host)


class _DotEnv(BaseSettings):
    """Whatever `.env` holds, under any name."""

    model_config = SettingsConfigDict(env_file=".env", extra="allow", hide_input_in_errors=True)


def variables_set() -> frozenset[str]:
    """The names, in capitals, of all that the environment and `.env` hold, whether it is ours or not."""
    return frozenset(name.upper() for name in (*os.environ, *(_DotEnv().model_extra or {})))


def known_variables() -> frozenset[str]:
    """Every name that a setting is read under."""
    return frozenset(variable for name in Settings.model_fields for variable in variables_of(Settings, name))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
