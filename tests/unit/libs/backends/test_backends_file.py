from __future__ import annotations

from pathlib import Path

import pytest

from libs.backends import breaker
from libs.backends.backends_file import read_backends, read_backends_file
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.limiter import Rule
from libs.backends.prediction import Terms
from libs.limits import FLEET_SERVERS_MAX, SERVER_SLOTS_MAX

FLEET = """
[comfyui]
protocol = "comfyui"
timeout_s = 600
breaker = { failures_in_a_row = 3 }

[[comfyui.servers]]
name = "a100"
url = "http://10.0.0.5:8188/"
slots = 2

[[comfyui.servers]]
name = "l4"
url = "https://l4.internal/comfy"
"""
PREDICTION = """
[replicate]
protocol = "prediction"
url = "https://api.replicate.com/v1"
secret_env = "REPLICATE_API_TOKEN"
limits.create.per_minute = 600
"""
VISION = """
[ours]
protocol = "vision"
dialect = "mistral"
url = "http://vision.internal:8000/v1"
model = "pixtral"
"""
VALUES = {"REPLICATE_API_TOKEN": "r8_canary"}


def secrets(name: str) -> str:
    return VALUES.get(name, "")


def read(text: str) -> tuple[ConfiguredBackend, ...]:
    return read_backends(text, secrets)


def test_a_fleet_is_its_servers_with_their_slots() -> None:
    (fleet,) = read(FLEET)
    assert (fleet.name, fleet.protocol, fleet.is_configured, fleet.timeout_s) == ("comfyui", "comfyui", True, 600)
    assert fleet.breaker_rule == breaker.Rule(failures_in_a_row=3)
    assert fleet.servers == (
        ConfiguredServer("a100", "http://10.0.0.5:8188", 2),
        ConfiguredServer("l4", "https://l4.internal/comfy", 1),
    )


def test_a_prediction_api_has_a_secret_from_a_variable_and_two_limits() -> None:
    (replicate,) = read(PREDICTION)
    assert (replicate.url, replicate.secret) == ("https://api.replicate.com/v1", "r8_canary")
    assert replicate.limits == {"create": Rule(600), "read": Rule(3_000)}
    assert "canary" not in repr(replicate)


def test_a_prediction_api_says_which_models_it_runs_and_how_much_waits_there() -> None:
    models = (
        'model = "a/b"\nmodels = ["c/d", "*"]\nimage_member = "images[]"\naspect_ratio = "1:1"\nin_flight_max = 7\n'
    )
    (replicate,) = read(PREDICTION.replace("limits.create", models + "limits.create"))
    assert replicate.terms == Terms("a/b", ("c/d", "*"), "1:1", "images[]")
    assert (replicate.dialect, replicate.in_flight_max, read(PREDICTION)[0].in_flight_max) == ("replicate", 7, 2_000)


def test_a_container_runs_one_model_and_one_prediction_at_a_time() -> None:
    (container,) = read('[ours]\nprotocol = "prediction"\ndialect = "cog"\nurl = "http://10.0.0.7:5000"')
    assert (container.dialect, container.terms, container.in_flight_max) == ("cog", Terms("cog/ours"), 1)


def test_the_backends_of_a_file_keep_its_order() -> None:
    found = read(VISION + PREDICTION + FLEET)
    assert [backend.name for backend in found] == ["ours", "replicate", "comfyui"]
    assert (found[0].dialect, found[0].model, found[0].timeout_s) == ("mistral", "pixtral", 30)


def server(**members: object) -> str:
    told = {"name": '"a"', "url": '"http://a"', **{name: str(value) for name, value in members.items()}}
    lines = "\n".join(f"{name} = {value}" for name, value in told.items())
    return f'[comfyui]\nprotocol = "comfyui"\n[[comfyui.servers]]\n{lines}\n'


@pytest.mark.parametrize(
    "slots, good", [(0, False), (1, True), (SERVER_SLOTS_MAX, True), (SERVER_SLOTS_MAX + 1, False)]
)
def test_a_server_has_one_to_a_hundred_slots(slots: int, *, good: bool) -> None:
    if good:
        assert read(server(slots=slots))[0].servers[0].slots == slots
    else:
        with pytest.raises(ValueError, match=r"^\[comfyui\] servers\.0\.slots: "):
            read(server(slots=slots))


@pytest.mark.parametrize("count, good", [(FLEET_SERVERS_MAX, True), (FLEET_SERVERS_MAX + 1, False)])
def test_a_fleet_has_at_most_so_many_servers(count: int, *, good: bool) -> None:
    rows = "\n".join(f'[[comfyui.servers]]\nname = "s{i}"\nurl = "http://s{i}"' for i in range(count))
    text = f'[comfyui]\nprotocol = "comfyui"\n{rows}'
    if good:
        assert len(read(text)[0].servers) == count
    else:
        with pytest.raises(ValueError, match="servers: "):
            read(text)


@pytest.mark.parametrize(
    "text, told",
    [
        ("[a", "this is no TOML"),
        ("a = 1", r"\[a\] "),
        ('["Ü"]\nprotocol = "vision"', r"\[Ü\] "),
        ("[a]", r"\[a\] protocol is missing"),
        ('[a]\nprotocol = "ocr"', r"\[a\] protocol must be comfyui, prediction or vision \(OCR runs inside"),
        (
            '[gpus]\nprotocol = "comfyui"\n[[gpus.servers]]\nname = "a"\nurl = "http://a"',
            r"\[gpus\] there is one fleet",
        ),
        ('[comfyui]\nprotocol = "comfyui"\nservers = []', r"\[comfyui\] servers: "),
        ('[a]\nprotocol = "prediction"\nurl = "http://a"\nmodel = "b"', r"\[a\] model: "),
        ('[a]\nprotocol = "prediction"\nurl = "http://a"\nmodels = ["b/c", "d"]', r"\[a\] models\.1: "),
        ('[a]\nprotocol = "prediction"\nurl = "http://a"\nin_flight_max = 0', r"\[a\] in_flight_max: "),
        (server(color='"red"'), r"\[comfyui\] servers\.0\.color: "),
        (server(slots='"2"'), r"\[comfyui\] servers\.0\.slots: "),
        (server(name='"A b"'), r"\[comfyui\] servers\.0\.name: "),
        (server(url='"ftp://a"'), r"\[comfyui\] servers\.0\.url: it must begin with http"),
        (server(url='"http://"'), r"\[comfyui\] servers\.0\.url: "),
        (server(url='"http://u:canary@a"'), r"\[comfyui\] servers\.0\.url: it may hold no user"),
        (server(url='"http://a?x=1"'), r"\[comfyui\] servers\.0\.url: "),
        (server() + '[[comfyui.servers]]\nname = "a"\nurl = "http://b"', r"\[comfyui\] servers: two have the name a"),
        (
            server() + '[[comfyui.servers]]\nname = "b"\nurl = "http://a/"',
            r"\[comfyui\] servers: two have the url http",
        ),
        (
            PREDICTION.replace("REPLICATE_API_TOKEN", "NOWHERE"),
            r"\[replicate\] secret_env: the variable NOWHERE is not",
        ),
        (PREDICTION.replace("600", "0"), r"\[replicate\] limits\.create\.per_minute: "),
        (PREDICTION + 'token = "canary"', r"\[replicate\] .*token: "),
        (VISION.replace("mistral", "latin"), r"\[ours\] dialect: "),
    ],
)
def test_what_is_wrong_is_told_by_backend_and_member_and_without_what_stood_there(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^{told}") as error:
        read(text)
    assert "canary" not in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_names_no_backend_and_one_that_cannot_be_read_is_told_by_its_path(tmp_path: Path) -> None:
    assert read_backends_file(None, secrets) == ()
    with pytest.raises(ValueError, match=r"nowhere\.toml cannot be read: No such file"):
        read_backends_file(tmp_path / "nowhere.toml", secrets)
    (tmp_path / "a.toml").write_text("[a]")
    with pytest.raises(ValueError, match=r"a\.toml: \[a\] protocol is missing"):
        read_backends_file(tmp_path / "a.toml", secrets)
