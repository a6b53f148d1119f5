from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.webhooks.secrets import SecretName, Secrets, decode_secret

NOW, BEFORE = b"the pepper of today", b"the pepper of yesterday"


def test_a_secret_is_one_endpoints_and_one_numbers() -> None:
    secrets = Secrets(NOW)
    names = [SecretName(1, secrets.pepper), SecretName(2, secrets.pepper)]
    made = {secrets.signing_secret(owner, name) for owner in ("whk_1", "whk_2") for name in names}
    assert len(made) == 4
    assert all(secret and secret.startswith("whsec_") and len(decode_secret(secret)) == 32 for secret in made)
    assert secrets.signing_secret("whk_1", names[0]) == Secrets(NOW).signing_secret("whk_1", names[0])


def test_what_a_former_pepper_made_is_still_known_and_what_a_forgotten_one_made_is_lost() -> None:
    old = Secrets(BEFORE)
    name, token = SecretName(1, old.pepper), old.seal("token", "usr_1")
    after, later = Secrets(NOW, [BEFORE]), Secrets(NOW)
    assert after.signing_key("whk_1", name) == old.signing_key("whk_1", name)
    assert after.unseal(token, "usr_1") == "token"
    assert later.signing_key("whk_1", name) is None
    assert later.unseal(token, "usr_1") is None


@given(st.text(min_size=1, max_size=100))
def test_a_token_is_sealed_for_one_user_and_never_twice_alike(token: str) -> None:
    secrets = Secrets(NOW)
    sealed = secrets.seal(token, "usr_1")
    assert secrets.unseal(sealed, "usr_1") == token
    assert secrets.unseal(sealed, "usr_2") is None
    assert sealed != secrets.seal(token, "usr_1")


def test_a_token_that_was_tampered_with_is_none() -> None:
    secrets = Secrets(NOW)
    sealed = secrets.seal("token", "usr_1")
    head, last = sealed[:-6], sealed[-6:]
    assert secrets.unseal(head + ("A" if last[0] != "A" else "B") + last[1:], "usr_1") is None


def test_a_name_is_read_as_it_was_written() -> None:
    name = SecretName(12, "abcdef01")
    assert SecretName.read(str(name)) == name


@pytest.mark.parametrize("text", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_*"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode_secret(text)
