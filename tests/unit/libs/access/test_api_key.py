from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from libs.access.api_key import DEFAULT_SCOPES, SCOPES, digest, hint, mint, well_formed


def test_a_secret_has_the_documented_shape() -> None:
    assert re.fullmatch(r"aq_live_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", mint())
    assert re.fullmatch(r"aq_adm_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", mint(admin=True))


@given(st.integers(32, 64), st.booleans())
def test_whatever_is_minted_is_well_formed(random_bytes: int, admin: bool) -> None:
    assert well_formed(mint(admin=admin, random_bytes=random_bytes))


def test_no_two_secrets_are_alike() -> None:
    assert len({mint() for _ in range(100)}) == 100


@given(st.data())
def test_one_changed_character_is_garbage(data: st.DataObject) -> None:
    secret = mint()
    at = data.draw(st.integers(0, len(secret) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != secret[at]))
    assert not well_formed(secret[:at] + other + secret[at + 1 :])


@given(st.text(max_size=120))
def test_text_that_nobody_minted_is_garbage(text: str) -> None:
    assert not well_formed(text)


def test_the_checksum_covers_the_prefix() -> None:
    secret = mint()
    assert not well_formed(secret.replace("aq_live_", "aq_adm_"))


def test_an_unknown_format_version_and_a_trailing_newline_are_garbage() -> None:
    secret = mint()
    assert not well_formed(secret + "\n")
    assert not well_formed("aq_test_" + secret.removeprefix("aq_live_"))


def test_the_digest_depends_on_secret_and_pepper_and_names_its_version() -> None:
    secret = mint()
    assert re.fullmatch(r"1:[0-9a-f]{64}", digest(secret, b"pepper"))
    assert digest(secret, b"pepper") == digest(secret, b"pepper")
    assert digest(secret, b"pepper") != digest(secret, b"another")
    assert digest(secret, b"pepper") != digest(mint(), b"pepper")


def test_a_hint_tells_sixteen_characters_and_no_more() -> None:
    secret = mint()
    assert hint(secret) == f"{secret[:12]}…{secret[-4:]}"


def test_admin_and_raw_workflows_are_never_given_by_default() -> None:
    assert {"admin", "jobs:raw_workflow"} == SCOPES - DEFAULT_SCOPES
