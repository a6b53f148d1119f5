"""Usage by day, by month and by kind, for a caller and for admins, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from libs.ids import new_id
from libs.store.client import Store
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.problems import refused

USAGE, ALL = "/api/v1/usage", "/admin/usage"
TODAY = datetime.now(UTC).date()


@pytest.fixture
async def admin(api: Api) -> dict[str, str]:
    return await api.admin()


async def run_one(api: Api, someone: Customer, units: int = 1, ending: Any = "succeed", **more: Any) -> None:
    await someone.job({**PICTURE, "batch_size": units})
    await end(api.resources.store, await start(api.resources.store), ending, **more)


async def put_usage(api: Api, user_id: str, day: date, **units: int) -> None:
    """As if it had been used then."""
    store = api.resources.store
    number = (day - date(1970, 1, 1)).days
    words = [word for kind, count in units.items() for word in (f"used:{kind}", count)]
    await store.call("HSET", f"{store.keys.usage}{user_id}:{number}", "used", sum(units.values()), *words)


async def test_what_was_used_counts_by_day_month_and_kind_and_what_was_refunded_does_not(api: Api) -> None:
    someone = await customer_of(api)
    await run_one(api, someone, 2)
    await run_one(api, someone)
    await run_one(api, someone, ending="fail", payment="refund")
    await someone.job({**PICTURE, "batch_size": 4})
    canceled = await someone.job()
    await someone.delete(f"{JOBS}/{canceled['id']}")
    day = (await someone.get(USAGE)).json()["data"][-1]
    assert day == {"day": TODAY.isoformat(), "units_used": 3, "units_held": 4, "by_kind": {"generate": 3}}
    answer = (await someone.get(f"{USAGE}?by=month")).json()
    assert answer["data"][-1] == {
        "month": f"{TODAY:%Y-%m}", "units_used": 3, "units_held": None, "by_kind": {"generate": 3},
    }  # fmt: skip
    assert answer["units_used"] == 3


@pytest.mark.parametrize(
    "at", ["2026-11-30T23:59:59", "2026-12-01T00:00:00", "2028-02-29T12:00:00", "2027-01-01T00:00:00"]
)
async def test_the_day_it_is_is_the_one_that_admission_counts_on(
    api: Api, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Redis's, whatever this process takes the time for."""
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    await put_usage(api, user_id, now.date(), generate=3)
    call = Store.call

    async def tell(store: Store, *command: Any) -> Any:
        return [b"%d" % now.timestamp(), b"0"] if command == ("TIME",) else await call(store, *command)

    monkeypatch.setattr(Store, "call", tell)
    last = (await someone.get(USAGE)).json()["data"][-1]
    assert (last["day"], last["units_used"]) == (at[:10], 3)
    assert (await someone.get(f"{USAGE}?by=month")).json()["data"][-1]["month"] == at[:7]
    page = (await api.http.get(ALL, headers=await api.admin())).json()
    assert page["data"][0]["usage"][0]["month"] == at[:7]


async def test_the_month_of_a_day_is_that_of_the_calendar(api: Api) -> None:
    """The script works it out by itself; Python's own calendar is what it is compared with."""
    store = api.resources.store
    for shift in (0, 1, 27, 58, 59, 60, 365, 366, 789, 1_460, 10_957, 11_015, 11_016, 36_524, 47_540, 146_097):
        someone = await customer_of(api)
        job = await someone.job()
        claimed = await start(store)
        await store.call("HSET", store.keys.job + job["id"], "day", shift)
        await end(store, claimed)
        month = f"{date(1970, 1, 1) + timedelta(days=shift):%Y%m}"
        user_id = (await someone.me())["id"]
        assert await store.call("HGETALL", f"{store.keys.usage_month}{user_id}:{month}") == [b"generate", b"1"], shift


async def test_a_month_is_kept_for_over_a_year_and_a_day_for_over_a_month(api: Api) -> None:
    someone = await customer_of(api)
    await run_one(api, someone)
    store, user_id = api.resources.store, (await someone.me())["id"]
    (month,) = await store.call("KEYS", f"{store.keys.usage_month}{user_id}:*")
    (day,) = await store.call("KEYS", f"{store.keys.usage}{user_id}:*")
    assert 399 * 86_400 < await store.call("TTL", month) <= 400 * 86_400
    assert 39 * 86_400 < await store.call("TTL", day) <= 40 * 86_400


async def test_thirty_days_or_those_that_are_asked_for_oldest_first(api: Api) -> None:
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    await put_usage(api, user_id, date(2026, 2, 28), generate=2, ocr=5)
    await put_usage(api, user_id, date(2026, 3, 1), ocr=1)
    days = (await someone.get(USAGE)).json()["data"]
    assert [day["day"] for day in days] == [(TODAY - timedelta(days=ago)).isoformat() for ago in range(29, -1, -1)]
    answer = (await someone.get(f"{USAGE}?from=2026-02-27&to=2026-03-01")).json()
    assert [(day["day"], day["units_used"], day["by_kind"]) for day in answer["data"]] == [
        ("2026-02-27", 0, {}),
        ("2026-02-28", 7, {"generate": 2, "ocr": 5}),
        ("2026-03-01", 1, {"ocr": 1}),
    ]
    assert answer["units_used"] == 8
    months = (await someone.get(f"{USAGE}?by=month&from=2025-11&to=2026-02")).json()["data"]
    assert [month["month"] for month in months] == ["2025-11", "2025-12", "2026-01", "2026-02"]


@pytest.mark.parametrize(
    "query, parameter",
    [
        ("by=week", "by"),
        ("from=yesterday", "from"),
        ("from=2026-02-30", "from"),
        ("from=2026-11", "from"),
        ("to=0001-01-01", "to"),
        ("to=9999-12-31", "to"),
        ("from=2026-02-02&to=2026-02-01", "from"),
        ("from=2026-01-01&to=2026-02-10", "from"),
        ("by=month&from=2024-01&to=2026-02", "from"),
        ("format=xml", "format"),
    ],
)
async def test_a_query_that_means_nothing_is_pointed_at(api: Api, query: str, parameter: str) -> None:
    someone = await customer_of(api)
    body = refused(await someone.get(f"{USAGE}?{query}"), 422, "validation_failed")
    assert body["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("how", ["?format=csv", "accept"])
async def test_a_callers_usage_as_csv(api: Api, how: str) -> None:
    someone = await customer_of(api)
    await run_one(api, someone, 2)
    accept = {"accept": "text/csv"} if how == "accept" else {"accept": "application/json"}
    answer = await someone.get(USAGE if how == "accept" else USAGE + how, **accept)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.split("\r\n") == ["day,kind,units", f"{TODAY},generate,2", ""]


async def test_an_admin_sees_who_used_what_in_pages(api: Api, admin: dict[str, str]) -> None:
    users = [await customer_of(api, "pro") for _ in range(3)]
    await run_one(api, users[1], 3)
    seen: list[dict[str, Any]] = []
    path = f"{ALL}?limit=2"
    while path:
        answer = await api.http.get(path, headers=admin)
        assert answer.status_code == 200, answer.text
        seen += answer.json()["data"]
        path = answer.links["next"]["url"] if answer.json()["has_more"] else ""
    used = {user["user_id"]: (user["units_used"], user["role"]) for user in seen}
    assert len(seen) == 4
    assert [used[(await user.me())["id"]] for user in users] == [(0, "pro"), (3, "pro"), (0, "pro")]
    assert seen[0]["usage"][0]["month"] == f"{TODAY:%Y-%m}"


async def test_an_admin_gets_all_users_in_one_csv(api: Api, admin: dict[str, str]) -> None:
    store = api.resources.store
    used = {}
    for n in range(205):
        user_id = new_id("usr")
        await store.call("ZADD", store.keys.users, n, user_id)
        words = ("email", f"=cmd{n}@x.y", "plan", "pro", "overrides", "{}", "status", "active", "created", n)
        await store.call("HSET", store.keys.user + user_id, *words)
        await put_usage(api, user_id, TODAY, generate=n + 1, ocr=1)
        used[user_id] = n + 1
    answer = await api.http.get(f"{ALL}?by=day", headers=admin | {"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["user_id"]: int(row["units"]) for row in rows if row["kind"] == "generate"} == used
    assert len(rows) == 410
    assert all(row["email"].startswith("'=cmd") for row in rows)


async def test_a_caller_sees_only_their_own(api: Api) -> None:
    someone, other = await customer_of(api), await customer_of(api)
    await run_one(api, someone)
    assert (await other.get(USAGE)).json()["units_used"] == 0
    refused(await other.get(ALL), 403, "insufficient_scope")
    assert (await api.http.get(USAGE, headers=bearer(someone.secret))).json()["units_used"] == 1


async def test_a_limit_that_is_none_is_refused_as_csv_too(api: Api, admin: dict[str, str]) -> None:
    answer = await api.http.get(f"{ALL}?format=csv&limit=44217", headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
