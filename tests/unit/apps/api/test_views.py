from __future__ import annotations

import pytest

from apps.api.views import api_key_view, stamp, user_view
from libs.access.api_key import ApiKey
from libs.access.user import User


@pytest.mark.parametrize(
    "at_ms, text",
    [(0, "1970-01-01T00:00:00.000Z"), (1_795_302_720_123, "2026-11-21T23:12:00.123Z"), (None, None)],
)
def test_times_are_rfc_3339_in_utc_to_the_millisecond(at_ms: int | None, text: str | None) -> None:
    assert stamp(at_ms) == text


def test_the_admin_api_calls_the_plan_role() -> None:
    view = user_view(User("usr_1", "a@example.com", "pro", 0))
    assert (view["role"], view["email"], view["status"]) == ("pro", "a@example.com", "active")


def test_an_api_key_is_shown_by_its_hint() -> None:
    view = api_key_view(ApiKey("apikey_1", "usr_1", "ci", frozenset({"jobs:read"}), "aq_live_abcd…wxyz", 0, 1_000))
    assert (view["hint"], view["scopes"], view["revoked_at"]) == ("aq_live_abcd…wxyz", ["jobs:read"], None)
    assert "api_key" not in view
