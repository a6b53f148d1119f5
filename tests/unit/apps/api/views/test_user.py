from __future__ import annotations

from apps.api.views.user import api_key_view, user_view
from libs.access.api_key import ApiKey
from libs.access.user import User


def test_the_admin_api_calls_the_plan_role() -> None:
    view = user_view(User("usr_1", "a@example.com", "pro", 0))
    assert (view["role"], view["email"], view["status"]) == ("pro", "a@example.com", "active")


def test_an_api_key_is_shown_by_its_hint() -> None:
    view = api_key_view(ApiKey("apikey_1", "usr_1", "ci", frozenset({"jobs:read"}), "aq_live_abcd…wxyz", 0, 1_000))
    assert (view["hint"], view["scopes"], view["revoked_at"]) == ("aq_live_abcd…wxyz", ["jobs:read"], None)
    assert "api_key" not in view
