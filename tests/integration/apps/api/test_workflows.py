"""Registering workflows: what an admin does, what callers see of it, and what is kept of what was."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jsonschema
import pytest

from libs import limits
from libs.access.api_key import DEFAULT_SCOPES
from libs.backends.comfyui.node_class import NodeClass
from libs.backends.comfyui.schema import read_classes
from libs.store.client import Store
from libs.workflows.node_classes import find_classes, publish_classes, publish_unreadable
from libs.workflows.registry import create_workflow, find_version, revise_workflow
from tests.fakes.api import Api
from tests.fakes.customers import Customer, customer_of
from tests.fakes.graphs import CLASSES, node, picture_graph
from tests.fakes.problems import pointers, refused
from tests.fakes.workflows import definition_of, parameter, portrait

PATH = "/admin/workflows"


@pytest.fixture
async def admin(api: Api) -> Customer:
    return Customer(api.http, (await api.admin())["Authorization"].removeprefix("Bearer "))


@pytest.fixture
async def nodes(store: Store) -> None:
    """A worker has told what the backend's nodes take."""
    await publish_classes(store, "comfyui", CLASSES)


async def registered(admin: Customer, name: str = "portrait", **changes: Any) -> dict[str, Any]:
    answer = await admin.post(PATH, {"name": name, **portrait(**changes)})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ordered(admin: Customer, name: str = "portrait") -> list[int]:
    found: list[int] = (await admin.get(f"{PATH}/{name}")).json()["versions"]
    return found


@pytest.mark.usefixtures("nodes")
async def test_a_workflow_is_registered_and_callers_see_what_they_may_set_and_no_graph(
    api: Api, admin: Customer
) -> None:
    made = await registered(admin)
    assert (made["version"], made["checked"], made["warnings"], made["retired_at"]) == (1, True, [], None)
    assert made["created_by"] == (await admin.me())["id"]
    assert made["graph"]["6"] == node("CLIPTextEncode", text="a lighthouse", clip=["4", 1])
    someone = await customer_of(api, "free")
    (line,) = (await someone.get("/api/v1/workflows")).json()["data"]
    assert line == {"name": "portrait", "version": 1, "summary": "A portrait", "units": "pictures"}
    told = (await someone.get("/api/v1/workflows/portrait")).json()
    assert "class_type" not in str(told)
    assert [one["name"] for one in told["parameters"]][:3] == ["prompt", "avoid", "steps"]
    jsonschema.Draft202012Validator.check_schema(told["input_schema"])


@pytest.mark.usefixtures("nodes")
async def test_a_new_version_counts_from_now_on_and_the_former_stays_what_it_was(api: Api, admin: Customer) -> None:
    await registered(admin)
    answer = await admin.post(f"{PATH}/portrait/versions", {"summary": "Better", "graph": picture_graph()})
    assert (answer.status_code, answer.json()["version"]) == (201, 2)
    someone = await customer_of(api)
    assert (await someone.get("/api/v1/workflows/portrait")).json()["summary"] == "Better"
    assert (await someone.get("/api/v1/workflows/portrait?version=1")).json()["summary"] == "A portrait"
    assert (await admin.get(f"{PATH}/portrait/versions/1")).json()["parameters"]
    assert await ordered(admin) == [2, 1]


@pytest.mark.usefixtures("nodes")
async def test_a_retired_version_is_offered_no_more_and_its_number_is_not_given_again(
    api: Api, admin: Customer, store: Store
) -> None:
    await registered(admin)
    await admin.post(f"{PATH}/portrait/versions", portrait())
    gone = await admin.delete(f"{PATH}/portrait/versions/2")
    assert (gone.status_code, gone.json()["retired_at"] is None) == (200, False)
    someone = await customer_of(api)
    assert (await someone.get("/api/v1/workflows/portrait")).json()["version"] == 1
    refused(await someone.get("/api/v1/workflows/portrait?version=2"), 404, "not_found")
    refused(await admin.delete(f"{PATH}/portrait/versions/2"), 404, "not_found")
    refused(await admin.delete(f"{PATH}/portrait/versions/1"), 409, "conflict")
    assert (await admin.post(f"{PATH}/portrait/versions", portrait())).json()["version"] == 3
    kept = await find_version(store, "portrait", 2)
    assert kept is not None
    assert kept.definition == definition_of(portrait())


@pytest.mark.usefixtures("nodes")
async def test_a_retired_workflow_is_gone_for_all_but_the_jobs_that_were_ordered(
    api: Api, admin: Customer, store: Store
) -> None:
    await registered(admin)
    assert (await admin.delete(f"{PATH}/portrait")).status_code == 204
    someone = await customer_of(api)
    for answer in (await someone.get("/api/v1/workflows/portrait"), await admin.get(f"{PATH}/portrait")):
        refused(answer, 404, "not_found")
    refused(await admin.post(f"{PATH}/portrait/versions", portrait()), 404, "not_found")
    refused(await admin.delete(f"{PATH}/portrait"), 404, "not_found")
    assert (await someone.get("/api/v1/workflows")).json()["data"] == []
    kept = await find_version(store, "portrait", 1)
    assert kept is not None
    left_ms = [await store.call("PTTL", key) for key in await store.call("KEYS", f"{store.keys.prefix}workflow*")]
    assert min(left_ms) > 1_000 * (limits.SCHEDULE_S_MAX + limits.DEADLINE_S_MAX)
    assert (await registered(admin))["version"] == 2


@pytest.mark.usefixtures("nodes")
async def test_a_workflow_that_the_backend_could_not_run_is_refused_with_every_flaw(admin: Customer) -> None:
    body = portrait(name="portrait")
    body["graph"]["9"] = node("RunShell", command="x")
    body["parameters"][0]["sets"][0]["input"] = "words"
    answer = await admin.post(PATH, body)
    assert list(pointers(answer)) == ["#/graph/9/class_type", "#/parameters/0/sets/0"]
    refused(await admin.get(f"{PATH}/portrait"), 404, "not_found")


async def test_before_a_worker_has_told_the_nodes_a_workflow_is_taken_with_a_warning(admin: Customer) -> None:
    made = await registered(admin)
    assert (made["checked"], len(made["warnings"])) == (False, 1)
    loop = {"name": "loop", "graph": {"1": node("Unheard", x=["1", 0])}}
    assert list(pointers(await admin.post(PATH, loop))) == ["#/graph/1"]


async def test_a_name_is_given_once_and_five_at_a_time_make_one(admin: Customer) -> None:
    answers = await asyncio.gather(*[admin.post(PATH, {"name": "portrait", **portrait()}) for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    answers = await asyncio.gather(*[admin.post(f"{PATH}/portrait/versions", portrait()) for _ in range(5)])
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 65, "1a", "täg"])
async def test_a_name_is_a_plain_word(admin: Customer, name: str) -> None:
    assert list(pointers(await admin.post(PATH, {"name": name, **portrait()}))) == ["#/name"]


async def test_a_page_of_workflows_follows_the_other(admin: Customer) -> None:
    for name in ("c", "a", "b"):
        await registered(admin, name)
    first = (await admin.get(f"{PATH}?limit=2")).json()
    assert [one["name"] for one in first["data"]] == ["a", "b"]
    second = (await admin.get(f"{PATH}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([one["name"] for one in second["data"]], second["has_more"]) == (["c"], False)


async def test_there_are_so_many_workflows_and_versions_and_no_more(admin: Customer, store: Store) -> None:
    definition = definition_of({"graph": picture_graph()})
    await create_workflow(store, "full", definition, is_checked=True)
    for _ in range(1, limits.WORKFLOW_VERSIONS_MAX):
        await revise_workflow(store, "full", definition, is_checked=True)
    refused(await admin.post(f"{PATH}/full/versions", portrait()), 409, "conflict")
    await store.call("ZADD", store.keys.workflows, *[x for i in range(998) for x in (0, f"w{i}")])
    await registered(admin)
    refused(await admin.post(PATH, {"name": "another", **portrait()}), 409, "conflict")


async def test_what_an_admin_did_is_in_the_log_and_what_was_refused_is_not(admin: Customer) -> None:
    await registered(admin)
    await admin.post(PATH, {"name": "portrait", **portrait()})
    await admin.post(f"{PATH}/portrait/versions", portrait())
    await admin.delete(f"{PATH}/portrait/versions/1")
    await admin.delete(f"{PATH}/portrait")
    acts: list[dict[str, Any]] = (await admin.get("/admin/audit?on=portrait")).json()["data"]
    assert [(act["act"], act["before"], act["after"]) for act in reversed(acts)] == [
        ("create_workflow", None, {"version": 1}),
        ("revise_workflow", None, {"version": 2}),
        ("retire_workflow_version", {"version": 1}, None),
        ("retire_workflow", {"version": 2}, None),
    ]


async def test_a_body_too_large_or_too_deep_is_refused_before_anything_else(admin: Customer) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    refused(await admin.post(PATH, {"name": "a", "graph": {"1": deep}}), 400, "malformed_request")
    many = {"name": "a", "graph": {str(one): node("A") for one in range(limits.WORKFLOW_NODES_MAX + 1)}}
    assert list(pointers(await admin.post(PATH, many))) == ["#/graph"]
    assert list(pointers(await admin.post(PATH, {"name": "a", "graph": {"1": node("")}}))) == ["#/graph/1/class_type"]
    text = "x" * limits.WORKFLOW_TEXT_LENGTH_MAX
    large = {"name": "a", "graph": {str(one): node("A", text=text) for one in range(20)}}
    assert list(pointers(await admin.post(PATH, large))) == ["#"]


async def test_node_classes_are_published_once_and_what_is_gone_is_gone(store: Store) -> None:
    assert await find_classes(store, ["comfyui"], ["KSampler"]) is None
    await publish_classes(store, "comfyui", CLASSES)
    found = await find_classes(store, ["elsewhere", "comfyui"], ["KSampler", "", "Nobody"])
    assert found == {"KSampler": CLASSES["KSampler"]}
    before = await store.call("INFO", "stats")
    await publish_classes(store, "comfyui", CLASSES)
    after = await store.call("INFO", "stats")
    assert _received(after) - _received(before) < 10_000
    await publish_classes(store, "comfyui", {"SaveImage": CLASSES["SaveImage"]})
    assert await find_classes(store, ["comfyui"], ["KSampler"]) == {}
    assert 0 < await store.call("PTTL", store.keys.node_classes + "comfyui") <= 86_400_000


def _received(info: bytes) -> int:
    return int(info.decode().partition("total_net_input_bytes:")[2].split()[0])


async def test_there_are_so_many_node_classes_of_such_a_size_and_no_more(store: Store) -> None:
    one = CLASSES["SaveImage"]
    many = {f"C{number:05}": one for number in range(limits.NODE_CLASSES_MAX + 1)}
    await publish_classes(store, "comfyui", many)
    assert await store.call("HLEN", store.keys.node_classes + "comfyui") == limits.NODE_CLASSES_MAX + 1
    long = "x" * limits.NODE_CLASS_BYTES_MAX
    wide = type(one)({long: one.inputs["images"]}, (), is_output=True)
    problems = await publish_classes(store, "comfyui", {"Wide": wide, "y" * 1_000: one, "Fine": one})
    found = await find_classes(store, ["comfyui"], ["Wide", "Fine"]) or {}
    assert (found["Fine"], found["Wide"].unread) == (one, "its declaration is too large")
    assert ["'Wide'" in problem for problem in problems] == [True, False]
    assert "too long a name" in problems[1]


async def test_lists_of_thousands_of_models_are_kept_once_and_held_against(store: Store) -> None:
    """As on a server with 5,000 LoRAs, which every package that loads some lists again."""
    loras = [f"styles/{number:05}-{'x' * 50}.safetensors" for number in range(5_000)]
    package = {"input": {"required": {f"lora_{n}": [loras, {}] for n in range(10)}}, "output": ["MODEL"]}
    info = {f"Package{number}": package for number in range(30)}
    for length in (5_000, 4_999):  # one of them is removed
        del loras[length:]
        assert await publish_classes(store, "comfyui", read_classes(info)) == []
        found = await find_classes(store, ["comfyui"], ["Package3"]) or {}
        assert found["Package3"].inputs["lora_7"].choices == tuple(loras)
        assert await store.call("HLEN", store.keys.node_choices + "comfyui") == 1
    stored = [await store.call("MEMORY", "USAGE", key + "comfyui", "SAMPLES", 0)
              for key in (store.keys.node_classes, store.keys.node_choices)]  # fmt: skip
    assert sum(stored) < 1_000_000


async def test_a_list_beyond_the_ceiling_is_left_out_and_said_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NODE_CHOICES_BYTES_MAX", 1_000)
    short, long = [f"{n}.ckpt" for n in range(40)], [f"{n}.ckpt" for n in range(400)]
    info = {"A": {"input": {"required": {"a": [short], "b": [long]}}, "output": []}}
    (problem,) = await publish_classes(store, "comfyui", read_classes(info))
    assert "400 choices" in problem
    inputs = (await find_classes(store, ["comfyui"], ["A"]) or {})["A"].inputs
    assert (inputs["a"].choices, inputs["b"].choices) == (tuple(short), None)


async def test_what_no_server_tells_readably_is_said_to_the_caller_at_once(api: Api, admin: Customer) -> None:
    await publish_unreadable(api.resources.store, "comfyui", "its /object_info: too large")
    answer = await admin.post(PATH, {"name": "portrait", **portrait()})
    assert answer.status_code == 503
    assert "cannot be read: its /object_info: too large" in answer.text
    someone = Customer(api.http, await api.key("pro", DEFAULT_SCOPES | {"jobs:raw_workflow"}))
    order = await someone.post("/api/v1/jobs", {"kind": "workflow", "input": {"graph": picture_graph()}})
    assert order.status_code == 503
    assert "cannot be read" in order.text


async def test_what_was_read_before_still_counts_when_it_can_be_read_no_more(store: Store) -> None:
    await publish_classes(store, "comfyui", CLASSES)
    await publish_unreadable(store, "comfyui", "odd")
    assert "KSampler" in (await find_classes(store, ["comfyui"], ["KSampler"]) or {})
    await publish_unreadable(store, "other", "odd")
    assert "KSampler" in (await find_classes(store, ["comfyui", "other"], ["KSampler"]) or {})


async def test_doubts_are_warnings_to_who_registers(api: Api, admin: Customer, store: Store) -> None:
    odd = NodeClass(unread="odd")
    await publish_classes(store, "comfyui", {**CLASSES, "Odd": odd})
    graph = {**picture_graph(), "10": node("Odd", source=["8", 0])}
    graph["9"]["inputs"]["more"] = 1
    answer = await admin.post(PATH, {"name": "doubtful", "graph": graph})
    assert answer.status_code == 201
    assert answer.json()["warnings"] == [
        "#/graph/9/inputs/more: no input of this class; it has: images, filename_prefix, embed_workflow",
        "#/graph/10/class_type: the node class 'Odd' cannot be held against anything: odd",
    ]


async def test_a_parameter_that_reaches_for_a_place_is_refused_even_before_the_nodes_are_known(
    admin: Customer,
) -> None:
    graph = {"1": node("LoadImageFromUrl", url="x"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    body = {"name": "a", "graph": graph, "parameters": [parameter("string", "where", "1.url", required=True)]}
    answer: httpx.Response = await admin.post(PATH, body)
    assert list(pointers(answer)) == ["#/parameters/0/sets/0"]
