from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.notices import notices
from apps.settings import Settings, known_variables, variables_set

QUEUES = {"gpu", "cpu", "net"}


def told(*variables: str, **values: Any) -> list[str]:
    return notices(Settings(_env_file=None, **values), variables, QUEUES)


def test_what_is_meant_as_it_stands_is_worth_no_word() -> None:
    assert told("PATH", "HOME", "LANG", *known_variables(), trusted_proxies="10.0.0.0/8, ::1, *") == []


@pytest.mark.parametrize(
    "written, meant", [("REDIS_ULR", "REDIS_URL"), ("MINIO_ENDPONT", "MINIO_ENDPOINT"), ("COMFY_UI_URL", "COMFYUI_URL")]
)
def test_a_name_that_is_nearly_one_of_ours_is_asked_about(written: str, meant: str) -> None:
    assert told(written) == [f"{written} is set and nothing reads it: is {meant} meant?"]
    assert told(written, meant) == [], "whoever set both knows which is which"


@pytest.mark.parametrize(
    "name", ["REDIS_SERVICE_HOST", "REDIS_PORT_6379_TCP", "HOSTNAME", "PYTHONPATH", "REDIS_PASSWORD", "LOGNAME"]
)
def test_what_orchestrators_and_shells_set_is_none_of_ours(name: str) -> None:
    assert told(name) == []


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "CRICKSY_CELERY_RESULT_BACKEND", "CRICKSY_USE_REDIS_ADAPTER", "API_KEY"]
)
def test_a_variable_of_a_former_service_without_meaning_is_said_to_have_none(name: str) -> None:
    (line,) = told(name)
    assert line.startswith(f"{name} is set and has no meaning here: ")


def test_whoever_set_an_api_key_learns_how_to_mint_one() -> None:
    assert "arqade keys bootstrap" in told("API_KEY")[0]


def test_a_queue_that_no_kind_has_is_told_with_those_there_are() -> None:
    assert told(worker_queues="gpuu,cpu") == [
        "WORKER_QUEUES: no kind of job has the queue gpuu; there are cpu, gpu, net"
    ]


@pytest.mark.parametrize("proxy", ["nginx", "10.0.0.1/8", "10.0.0", "http://10.0.0.1"])
def test_a_proxy_that_is_no_address_is_told_to_trust_nobody(proxy: str) -> None:
    (line,) = told(trusted_proxies=proxy)
    assert line.startswith(f"TRUSTED_PROXIES: {proxy} is neither an address nor a network")


def test_an_address_over_tls_without_a_trusted_proxy_is_told() -> None:
    (line,) = told(public_url="https://api.example.com")
    assert "TRUSTED_PROXIES is empty" in line
    assert told(public_url="https://api.example.com", trusted_proxies="10.0.0.0/8") == []
    assert told(public_url="http://127.0.0.1:8000") == []


def test_names_are_those_of_the_environment_and_of_dot_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("REDIS_ULR=redis://somewhere\n")
    monkeypatch.setenv("Minio_Bukket", "here")
    assert {"REDIS_ULR", "MINIO_BUKKET"} <= variables_set()
