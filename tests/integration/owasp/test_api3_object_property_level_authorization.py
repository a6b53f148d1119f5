"""API3:2023 Broken object property level authorization.

Proven elsewhere: unknown members are pointed at in every part of an order (apps/api/test_bad_input.py); an admin's list
of jobs leaves out what is the user's alone (test_admin.py); a secret is shown once (test_resources.py). Here: no member
that is ours to decide can be assigned from outside, and no answer to a user holds a member of our insides.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, customer_of
from tests.fakes.problems import pointers
from tests.integration.owasp.two_users import FILE

OURS = ("id", "status", "units", "attempt", "output", "artifacts", "usage", "created_at", "fence", "api_key_id")
INSIDE = {"digest", "fence", "pepper", "hash", "secret", "api_key_secret", "worker", "lease", "key_prefix", "password"}

#: Which version of the pepper a key needs, and the hashes that chain the audit log.
TOLD_TO_ADMINS = {"pepper", "hash"}


@pytest.mark.parametrize("member", OURS)
async def test_what_is_ours_to_decide_cannot_be_sent(api: Api, member: str) -> None:
    someone = await customer_of(api)
    assert f"#/{member}" in pointers(await someone.submit({**PICTURE, member: "1"}))
    envelope = {"kind": "generate", "input": dict(PICTURE), member: "1"}
    assert f"#/{member}" in pointers(await someone.submit(envelope))
    assert f"#/{member}" in pointers(await someone.post("/api/v1/uploads", {**FILE, member: "1"}))


async def test_no_answer_to_a_user_holds_our_insides(api: Api) -> None:
    someone = await customer_of(api)
    job_id = (await someone.job())["id"]
    for path in (JOBS, f"{JOBS}/{job_id}", "/api/v1/me", "/api/v1/usage"):
        assert not members((await someone.get(path)).json()) & INSIDE


async def test_an_admin_sees_no_hash_and_no_prompt(api: Api) -> None:
    someone, admin = await customer_of(api), await api.admin()
    await someone.job({**PICTURE, "prompt": "a word that is mine"})
    for path in ("/admin/users", "/admin/api-keys", "/admin/jobs", "/admin/audit", "/admin/usage"):
        answer = await api.http.get(path, headers=admin)
        assert answer.status_code == 200
        assert not members(answer.json()) & INSIDE - TOLD_TO_ADMINS
        assert "a word that is mine" not in answer.text
        assert someone.secret not in answer.text


def members(value: Any) -> set[str]:
    """The names of all members, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(members, value.values()))
    return set().union(*map(members, value)) if isinstance(value, list) else set()
