from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.middleware.authenticate import LOCAL_CALLER, credential
from libs.access.api_key import mint
from libs.errors import Refusal

SECRET = mint()
Visible = st.text(st.sampled_from("abcXYZ019-._~+/"), min_size=1)


def code_of(*headers: tuple[bytes, bytes]) -> str:
    with pytest.raises(Refusal) as caught:
        credential(headers)
    return caught.value.code


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", f"Bearer {SECRET}".encode()),
        (b"authorization", f"bearer {SECRET}".encode()),
        (b"authorization", f"BEARER   {SECRET}  ".encode()),
        (b"x-api-key", SECRET.encode()),
        (b"x-api-key", f" {SECRET} ".encode()),
    ],
)
def test_a_credential_is_found_in_either_header(header: tuple[bytes, bytes]) -> None:
    assert credential([(b"host", b"x"), header]) == SECRET


def test_no_credential_is_none() -> None:
    assert credential([(b"host", b"x")]) is None


def test_a_scheme_that_we_do_not_know_is_no_credential() -> None:
    assert credential([(b"authorization", b"Basic dXNlcjpwYXNz")]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer a"), (b"x-api-key", b"a")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")],
        [(b"x-api-key", b"a"), (b"x-api-key", b"b")],
    ],
)
def test_two_credentials_are_one_too_many(headers: list[tuple[bytes, bytes]]) -> None:
    assert code_of(*headers) == "invalid_request"


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer"),
        (b"authorization", b"Bearer "),
        (b"authorization", b""),
        (b"authorization", b"Bearer a b"),
        (b"authorization", b"Bearer a,b"),
        (b"authorization", b"Bearer \xc3\xa4"),
        (b"x-api-key", b""),
        (b"x-api-key", b"a b"),
    ],
)
def test_a_malformed_credential_is_told_to_be_one(header: tuple[bytes, bytes]) -> None:
    assert code_of(header) == "invalid_request"


def test_a_key_whose_scheme_was_forgotten_is_malformed_rather_than_nothing() -> None:
    assert code_of((b"authorization", SECRET.encode())) == "invalid_request"


@given(Visible)
def test_every_b64token_comes_through_unchanged(token: str) -> None:
    assert credential([(b"authorization", b"Bearer " + token.encode())]) == token


@given(
    st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"host"]), st.binary(max_size=40)), max_size=4)
)
def test_whatever_the_headers_hold_the_answer_is_a_token_none_or_a_refusal(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        found = credential(headers)
    except Refusal as refusal:
        found = refusal.code
    assert found is None or found.isascii()


def test_nobody_is_an_admin_just_because_keys_are_switched_off() -> None:
    assert not LOCAL_CALLER.may("admin")
    assert LOCAL_CALLER.may("jobs:write")
