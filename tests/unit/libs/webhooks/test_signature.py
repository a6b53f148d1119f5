from __future__ import annotations

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from libs.webhooks.secrets import decode_secret
from libs.webhooks.signature import sign, signed_headers

KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"msg_[0-9a-z]{26}", fullmatch=True)


def test_the_signature_of_the_specifications_own_example() -> None:
    """github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md and its reference libraries."""
    key = decode_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(KEYS, IDS, st.integers(0, 2**40), st.binary(max_size=500))
def test_any_body_is_signed_byte_for_byte(key: bytes, message_id: str, timestamp: int, body: bytes) -> None:
    text = f"{message_id}.{timestamp}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert sign(key, message_id, timestamp, body) == f"v1,{wanted}"


@given(KEYS, KEYS, IDS, st.integers(0, 2**40), st.binary(max_size=100), st.binary(min_size=1, max_size=5))
def test_nothing_else_has_the_same_signature(
    key: bytes, other: bytes, message_id: str, timestamp: int, body: bytes, more: bytes
) -> None:
    genuine = sign(key, message_id, timestamp, body)
    assert genuine != sign(key, message_id, timestamp, body + more)
    assert genuine != sign(key, message_id, timestamp + 1, body)
    assert genuine != sign(key, message_id + "x", timestamp, body)
    assert (genuine == sign(other, message_id, timestamp, body)) == (key == other)


@given(KEYS, KEYS)
def test_two_keys_make_two_signatures(key: bytes, former: bytes) -> None:
    headers = signed_headers([key, former], "msg_1", 5, b"{}")
    assert headers["webhook-signature"].split(" ") == [sign(key, "msg_1", 5, b"{}"), sign(former, "msg_1", 5, b"{}")]
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", "5")
