"""The settings reference and .env.example name every setting, nothing else, and the defaults are true."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from apps.settings import Settings
from tests.contract.paths import aliases, interpolated, read, rows, variables

REFERENCE = "docs/reference/settings.md"
SECRETS = {"API_KEY_PEPPER", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"}


def shown(field: FieldInfo) -> str:
    """A default as the docs write it."""
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    match value:
        case None | "" | ():
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case tuple():
            return f"`{','.join(value)}`"
        case _:
            return f"`{value}`"


def test_the_reference_names_every_setting_with_its_default() -> None:
    written = {row[0].strip("`"): row[1] for row in rows(read(REFERENCE))}
    assert written == {name: shown(field) for name, field in variables().items()}


def test_the_reference_names_every_alias() -> None:
    meanings = {row[0].strip("`"): row[2] for row in rows(read(REFERENCE))}
    missing = {name: aliases(field) for name, field in variables().items() if aliases(field)}
    for name, others in missing.items():
        assert all(f"`{other}`" in meanings[name] for other in others), name


def example() -> dict[str, tuple[bool, str]]:
    """What .env.example has: for each variable, whether it is set, and to what."""
    lines = re.findall(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", read(".env.example"), re.MULTILINE)
    assert len(lines) == len({name for _, name, _ in lines}), "a variable stands there twice"
    return {name: (not mark, value) for mark, name, value in lines}


def test_the_example_has_every_setting_and_what_compose_reads() -> None:
    compose = interpolated(read("docker-compose.yml"))
    others = {other for field in variables().values() for other in aliases(field)}
    assert set(example()) == set(variables()) | (compose - others)


def test_the_example_sets_nothing_but_the_secrets_and_leaves_those_empty() -> None:
    assert {name: value for name, (is_set, value) in example().items() if is_set} == dict.fromkeys(
        SECRETS | {"REDIS_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}, ""
    )


@pytest.mark.parametrize("name", sorted(set(variables()) - SECRETS))
def test_the_example_shows_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field = variables()[name]
    text = example()[name][1]
    monkeypatch.setenv(name, text)
    read_back = getattr(Settings(_env_file=None), name.lower())
    if shown(field) == "none":
        assert read_back, "an optional setting shows a value that works"
    else:
        assert read_back == field.default
