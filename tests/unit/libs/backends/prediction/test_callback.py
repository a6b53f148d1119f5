"""Only whoever was given a token can call, and only for its job."""

from __future__ import annotations

import base64
import hmac
import time

import pytest

from libs.backends.prediction.callback import callback_token, is_signed, job_of_token

JOB = "job_01jd3f8x5e0000000000000000"
SECRET = b"a pepper that is long enough"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"key").decode()


def test_a_token_says_whose_it_is() -> None:
    assert job_of_token(SECRET, callback_token(SECRET, JOB, 3)) == JOB


def test_no_other_token_opens_anything() -> None:
    token = callback_token(SECRET, JOB, 1)
    other = JOB[:-1] + "1"
    forged = [
        token.replace(JOB, other),
        token.replace("-1-", "-2-", 1),
        token[:-1],
        token + "a",
        "",
        JOB,
        token.upper(),
    ]
    assert {job_of_token(SECRET, each) for each in forged} == {None}
    assert job_of_token(b"another pepper", token) is None
    assert job_of_token(b"", callback_token(b"", JOB, 1)) is None, "without a secret anybody could make one"


def signed(body: bytes, *, at_s: float | None = None, key: bytes = b"key") -> dict[str, str]:
    at = str(int(time.time() if at_s is None else at_s))
    made = base64.b64encode(hmac.digest(key, b"msg_1." + at.encode() + b"." + body, "sha256")).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,AAAA v1,{made}"}


def test_a_signature_of_the_provider_is_known() -> None:
    assert is_signed(WEBHOOK_SECRET, signed(b"{}"), b"{}")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"{ }"),
        signed(b"{}", key=b"other"),
        signed(b"{}", at_s=time.time() - 86_400),
        signed(b"{}", at_s=time.time() + 86_400),
        signed(b"{}") | {"webhook-timestamp": "now"},
        signed(b"{}") | {"webhook-timestamp": "9" * 400},
        signed(b"{}") | {"webhook-signature": "é v1,"},
        signed(b"{}") | {"webhook-id": "msg_2"},
    ],
)
def test_anything_else_is_none(headers: dict[str, str]) -> None:
    assert not is_signed(WEBHOOK_SECRET, headers, b"{}")
    assert not is_signed("whsec_*", headers, b"{}")
    assert not is_signed("whsec_é", headers, b"{}")
