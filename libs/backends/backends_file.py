"""The backends file: the backends of a deployment by name, in TOML. Text in, `ConfiguredBackend`s or one line out.

Secrets don't stand in it: it names the variables that hold them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import httpx
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from libs.backends import breaker, limiter
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.prediction import MODEL_NAME, Terms
from libs.limits import FLEET_SERVERS_MAX, SERVER_SLOTS_MAX

__all__ = ["DIALECTS", "http_url", "read_backends", "read_backends_file"]

#: How vision providers are spoken to.
DIALECTS: Final = ("gemini", "mistral", "qwen", "kimi")
#: The name of the fleet: kinds ask for it, so there is one.
FLEET: Final = "comfyui"

#: What may wait at a prediction API at once when nobody says: a Cog container works on one.
_IN_FLIGHT_MAX: Final = {"replicate": 2_000, "cog": 1}

#: What the variable of a name holds; empty where there is none.
Secrets = Callable[[str], str]


def http_url(text: str) -> str:
    """An address without the slash at its end; raises ValueError for one that begins otherwise, or names a user."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError("this is no URL") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("it may hold no user, no query and no fragment")
    return text.rstrip("/")


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Url = Annotated[str, AfterValidator(http_url)]
ModelName = Annotated[str, Field(max_length=200, pattern=rf"^(?:{MODEL_NAME})?$")]
ModelNames = Annotated[
    list[Annotated[str, Field(max_length=200, pattern=rf"^(?:\*|{MODEL_NAME})$")]], Field(max_length=1_000)
]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = {"extra": "forbid", "strict": True, "frozen": True}


class _Breaker(_Table):
    failures_in_a_row: Annotated[int, Field(ge=1)] = 5
    calls_min: Annotated[int, Field(ge=1)] = 20
    window_s: Seconds = 60.0
    open_s: Seconds = 5.0
    open_s_max: Seconds = 60.0
    probe_s: Seconds = 60.0


class _Limit(_Table):
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)]
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    in_flight_max: Annotated[int, Field(ge=1)] | None = None
    arrives_within_s: Seconds = 5.0
    lease_s: Seconds = 60.0


class _Limits(_Table):
    create: _Limit = _Limit(per_minute=450)
    read: _Limit = _Limit(per_minute=3_000)


class _Backend(_Table):
    breaker: _Breaker = _Breaker()

    def configured(self, name: str, secrets: Secrets) -> ConfiguredBackend:
        raise NotImplementedError


class _Server(_Table):
    name: Name
    url: Url
    slots: Annotated[int, Field(ge=1, le=SERVER_SLOTS_MAX)] = 1


class _Fleet(_Backend):
    protocol: Literal["comfyui"]
    servers: Annotated[list[_Server], Field(min_length=1, max_length=FLEET_SERVERS_MAX)]
    timeout_s: Seconds = 300.0

    def configured(self, name: str, secrets: Secrets) -> ConfiguredBackend:
        if name != FLEET:
            raise ValueError(f"there is one fleet, and it is named {FLEET}")
        for member in ("name", "url"):
            _require_unlike(f"servers: two have the {member}", [getattr(each, member) for each in self.servers])
        servers = tuple(ConfiguredServer(each.name, each.url, each.slots) for each in self.servers)
        return _configured(name, self, servers=servers, timeout_s=self.timeout_s)


class _Prediction(_Backend):
    protocol: Literal["prediction"]
    dialect: Literal["replicate", "cog"] = "replicate"
    url: Url
    secret_env: Variable | None = None
    model: ModelName = ""
    models: ModelNames = Field(default_factory=list)
    image_member: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\[\])?$")] = "image"
    aspect_ratio: str = ""
    in_flight_max: Annotated[int, Field(ge=1, le=10_000)] | None = None
    limits: _Limits = _Limits()
    timeout_s: Seconds = 300.0

    def configured(self, name: str, secrets: Secrets) -> ConfiguredBackend:
        rules = {bucket: limiter.Rule(**limit.model_dump()) for bucket, limit in self.limits}
        secret = _secret(self.secret_env, secrets)
        told = {"url": self.url, "dialect": self.dialect, "timeout_s": self.timeout_s}
        model = self.model or (f"cog/{name}" if self.dialect == "cog" else "")
        terms = Terms(model, tuple(self.models), self.aspect_ratio, self.image_member)
        in_flight_max = self.in_flight_max or _IN_FLIGHT_MAX[self.dialect]
        return _configured(name, self, limits=rules, secret=secret, terms=terms, in_flight_max=in_flight_max, **told)


class _Vision(_Backend):
    protocol: Literal["vision"]
    dialect: Literal["gemini", "mistral", "qwen", "kimi"]
    url: Url
    model: Annotated[str, Field(min_length=1)]
    secret_env: Variable | None = None
    timeout_s: Seconds = 30.0

    def configured(self, name: str, secrets: Secrets) -> ConfiguredBackend:
        secret = _secret(self.secret_env, secrets)
        told = {"url": self.url, "model": self.model, "dialect": self.dialect, "timeout_s": self.timeout_s}
        return _configured(name, self, secret=secret, **told)


_ANY: TypeAdapter[_Fleet | _Prediction | _Vision] = TypeAdapter(
    Annotated[_Fleet | _Prediction | _Vision, Field(discriminator="protocol")]
)


def read_backends(text: str, secrets: Secrets) -> tuple[ConfiguredBackend, ...]:
    """Every backend of a file, in its order. Raises ValueError with one line that names backend and member."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"this is no TOML: {error}") from None
    return tuple(_read(name, table, secrets) for name, table in tables.items())


def read_backends_file(path: Path | None, secrets: Secrets) -> tuple[ConfiguredBackend, ...]:
    """The backends of a file; none where there is no file. Raises ValueError as `read_backends`, path first."""
    if path is None:
        return ()
    try:
        return read_backends(path.read_text(encoding="utf-8"), secrets)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read(name: str, table: Any, secrets: Secrets) -> ConfiguredBackend:
    try:
        TypeAdapter(Name).validate_python(name)
        return _ANY.validate_python(table).configured(name, secrets)
    except ValidationError as error:
        first = error.errors()[0]
        member = ".".join(str(part) for part in first["loc"] if part not in ("comfyui", "prediction", "vision"))
        raise ValueError(f"[{name}] {member + ': ' if member else ''}{_said(first)}") from None
    except ValueError as error:
        raise ValueError(f"[{name}] {error}") from None


def _said(error: Mapping[str, Any]) -> str:
    """Pydantic's words without what was written there: it may be a secret in the wrong place."""
    if error["type"] == "union_tag_invalid":
        return "protocol must be comfyui, prediction or vision (OCR runs inside the workers: OCR_PROCESSES)"
    if error["type"] == "union_tag_not_found":
        return "protocol is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _configured(name: str, table: _Backend, **told: Any) -> ConfiguredBackend:
    rule = breaker.Rule(**table.breaker.model_dump())
    return ConfiguredBackend(name, table.protocol, is_configured=True, breaker_rule=rule, **told)  # type: ignore[attr-defined]


def _require_unlike(what: str, words: Sequence[str]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise ValueError(f"{what} {word}")
        seen.add(word)


def _secret(variable: str | None, secrets: Secrets) -> str:
    if variable is None:
        return ""
    secret = secrets(variable)
    if not secret:
        raise ValueError(f"secret_env: the variable {variable} is not set, or empty")
    return secret
