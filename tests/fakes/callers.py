"""Callers for tests that begin behind authentication: as in a deployment without keys, their digest is empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from libs.access.caller import Caller
from libs.access.plan import DEFAULT_PLANS
from libs.admission.admit import Admission, Application, QueueRule, admit
from libs.admission.rate import RateRule
from libs.ids import new_id
from libs.store.client import Store

QUEUE_RULE = QueueRule(size_max=10_000_000, artifact_url_ttl_s_max=3_600)


def make_caller(plan: str = "internal", user_id: str | None = None, **overrides: Any) -> Caller:
    return Caller(
        user_id=user_id or new_id("usr"),
        email="someone@example.org",
        plan=plan,
        limits=replace(DEFAULT_PLANS[plan], **overrides),
        api_key_id="key_test",
        api_key_name="test",
        digest="",
        scopes=frozenset({"jobs:read", "jobs:write"}),
    )


def make_application(**members: Any) -> Application:
    usual: dict[str, Any] = {"kind": "noop", "queue": "cpu", "input": {"n": 1}, "units": 1, "deadline_s": 3_600.0}
    return Application(**(usual | members))


async def submit(
    store: Store,
    caller: Caller,
    *,
    queue_rule: QueueRule = QUEUE_RULE,
    rate_rule: RateRule | None = None,
    **members: Any,
) -> Admission:
    return await admit(store, caller, make_application(**members), queue_rule, rate_rule)
