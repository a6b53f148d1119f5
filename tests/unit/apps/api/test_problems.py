from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from apps.api.problems import as_refusal, problem
from libs import limits
from libs.errors import CATALOGUE, Refusal, Unavailable, invalid


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(response.body)
    return found


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_a_problem_with_all_members(code: str) -> None:
    response = problem(Refusal(code, members={"scope": "jobs:read"}), "req_12345678")
    body = body_of(response)
    assert response.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"/docs/errors#{code}"
    assert (body["code"], body["status"], body["request_id"]) == (code, response.status_code, "req_12345678")
    assert body["title"] == CATALOGUE[code].title
    assert body["detail"]
    assert body["retryable"] is CATALOGUE[code].retryable
    assert response.status_code == CATALOGUE[code].status


def test_the_type_stands_behind_the_public_address_when_there_is_one() -> None:
    body = body_of(problem(Refusal("not_found"), "r", public_url="https://api.example.com"))
    assert body["type"] == "https://api.example.com/docs/errors#not_found"


@pytest.mark.parametrize(
    "code, challenge",
    [
        ("unauthorized", 'Bearer realm="arqade"'),
        ("invalid_token", 'Bearer realm="arqade", error="invalid_token"'),
        ("invalid_request", 'Bearer realm="arqade", error="invalid_request"'),
        ("insufficient_scope", 'Bearer realm="arqade", error="insufficient_scope", scope="jobs:write"'),
    ],
)
def test_credentials_are_challenged_as_rfc_6750_says(code: str, challenge: str) -> None:
    refusal = Refusal(code, members={"scope": "jobs:write"} if code == "insufficient_scope" else {})
    assert problem(refusal, "r").headers["www-authenticate"] == challenge


def test_other_refusals_challenge_nobody() -> None:
    assert "www-authenticate" not in problem(Refusal("not_found"), "r").headers


def test_429_tells_the_exact_time_rounded_up() -> None:
    assert problem(Refusal("rate_limited", retry_after_s=3.2), "r").headers["retry-after"] == "4"
    assert problem(Refusal("rate_limited", retry_after_s=0.0), "r").headers["retry-after"] == "1"


def test_503_spreads_those_who_come_back() -> None:
    told = {int(problem(Refusal("queue_full", retry_after_s=100), "r").headers["retry-after"]) for _ in range(50)}
    assert len(told) > 5
    assert min(told) >= 100
    assert max(told) <= 200


def test_what_is_switched_off_stays_off() -> None:
    assert "retry-after" not in problem(Refusal("feature_disabled"), "r").headers


def test_members_and_errors_are_told() -> None:
    refusal = invalid("#/input/width", "too wide", "less_than_equal")
    assert body_of(problem(refusal, "r"))["errors"] == [
        {"pointer": "#/input/width", "detail": "too wide", "code": "less_than_equal"}
    ]
    limited = Refusal("rate_limited", members={"violated-policies": ["submits"]})
    assert body_of(problem(limited, "r"))["violated-policies"] == ["submits"]


def test_a_part_that_is_away_is_503_and_says_which_but_not_where() -> None:
    refusal = as_refusal(Unavailable("redis", "redis at 10.0.0.7 refused the connection"))
    assert (refusal.code, refusal.retry_after_s) == ("dependency_unavailable", 2.0)
    assert "10.0.0.7" not in orjson.dumps(body_of(problem(refusal, "r"))).decode()


def test_a_bug_tells_nothing() -> None:
    response = problem(as_refusal(RuntimeError("secret text")), "r")
    assert response.status_code == 500
    assert b"secret text" not in bytes(response.body)


@pytest.mark.parametrize(
    "status, code",
    [(404, "not_found"), (405, "method_not_allowed"), (413, "body_too_large"), (418, "malformed_request")],
)
def test_the_frameworks_own_errors_are_problems_too(status: int, code: str) -> None:
    assert as_refusal(HTTPException(status)).code == code


def test_texts_and_lists_have_an_end() -> None:
    refusal = Refusal("validation_failed", "x" * 10_000, errors=[{"pointer": "#"}] * 1_000)
    body = body_of(problem(refusal, "r"))
    assert len(body["detail"]) == limits.DETAIL_LENGTH_MAX
    assert len(body["errors"]) == limits.VALIDATION_ERRORS_MAX
