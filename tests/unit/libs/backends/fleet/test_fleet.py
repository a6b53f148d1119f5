from __future__ import annotations

import pytest

from libs.backends.comfyui import ComfyUI
from libs.backends.fleet.fleet import Fleet
from libs.errors import Unavailable


def server(name: str) -> ComfyUI:
    return ComfyUI("http://127.0.0.1:9", name=name)


async def test_a_job_gets_the_server_that_it_was_claimed_with_and_an_old_one_the_first() -> None:
    fleet = Fleet([server("a"), server("b")], {"b": 2})
    assert [fleet.at(name).name for name in ("b", "a", "")] == ["b", "a", "a"]
    assert fleet.slots == {"a": 1, "b": 2}
    await fleet.aclose()


@pytest.mark.parametrize("fleet, name", [(Fleet(), ""), (Fleet(), "a"), (Fleet([server("a")]), "b")])
async def test_where_there_is_no_such_server_the_job_waits(fleet: Fleet, name: str) -> None:
    with pytest.raises(Unavailable):
        await fleet.at(name).version()


def test_two_servers_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="same name"):
        Fleet([server("a"), server("a")])
