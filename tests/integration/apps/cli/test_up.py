from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.fakes.processes import eventually, processes_in
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt
from tests.system import System, arqade, run_arqade, running_system

UP = ("up", "--port", "0", "--data-dir", "data")
HASTY = {"DRAIN_GRACE_S": "1", "OCR_ENABLED": "false"}
PROMPT = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spaced = tmp_path / "a folder with spaces"
    spaced.mkdir()
    return spaced


def picture_of(system: System, api_key: str, job_id: str) -> bytes:
    artifact = system.call(api_key, "GET", f"/api/v1/jobs/{job_id}")["artifacts"][0]
    with urlopen(artifact["url"], timeout=PATIENCE_S) as answer:
        picture: bytes = answer.read()
    assert hashlib.sha256(picture).hexdigest() == artifact["sha256"]
    return picture


def is_ready(url: str) -> bool:
    with suppress(URLError, HTTPError, ConnectionError, TimeoutError), urlopen(url + "/ready", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def end(folder: Path, name: str) -> None:
    os.kill(int((folder / f"data/run/{name}.pid").read_text().split()[0]), signal.SIGKILL)


def test_says_one_json_line_when_ready_and_ends_everything_when_asked(folder: Path) -> None:
    with running_system(folder, "--workers", "2", environment=HASTY) as system:
        lines = system.command.out.read_text().splitlines()
        assert [json.loads(line) for line in lines] == [{"event": "ready", "url": system.url}]
        assert is_ready(system.url)
        eventually(lambda: "stand-in" in system.command.err.read_text())  # told behind the line
        names = {path.name for path in (folder / "data/run").iterdir()}
        assert names == {"api.pid", "comfyui-standin.pid", "objects.pid", "valkey.pid", "worker-1.pid", "worker-2.pid"}
    assert processes_in(folder) == {}
    assert system.command.out.read_text().splitlines() == lines


def test_no_secret_stays_in_the_environment_of_its_processes(folder: Path) -> None:
    canaries = {"GEMINI_API_KEY": "canary-of-gemini", "MY_SECRET": "canary-of-a-file", "API_KEY_PEPPER": "canary-" * 6}
    (folder / "backends.toml").write_text(
        '[cog]\nprotocol = "prediction"\ndialect = "cog"\nurl = "http://127.0.0.1:9"\nsecret_env = "MY_SECRET"\n'
    )
    environment = {**HASTY, **canaries, "BACKENDS_FILE": "backends.toml"}
    with running_system(folder, environment=environment) as system:
        own = dict(line.split("=", 1) for line in (folder / "data/settings.env").read_text().splitlines())
        # The embedded S3 server is told its keys in no other way, and keeps them there.
        pids = [int(path.read_text().split()[0]) for path in (folder / "data/run").iterdir() if path.stem != "objects"]
        assert len(pids) == 4
        secrets = {*canaries.values(), own["API_KEY_PEPPER"], own["REDIS_URL"], own["MINIO_SECRET_KEY"]}

        def found() -> set[str]:
            shown = [Path(f"/proc/{pid}/environ").read_bytes().decode() for pid in (system.command.process.pid, *pids)]
            assert "PATH=" in shown[0], "what is no secret stays"
            return {secret for secret in secrets for each in shown if secret in each}

        eventually(lambda: not found())  # a worker may still be reading them
        api_key = system.mint_api_key()
        assert system.call(api_key, "POST", "/api/v1/generate", PROMPT)["status"] == "succeeded"
    assert "canary" not in system.command.said


def test_killed_it_leaves_no_process_and_comes_back_with_the_same_key_jobs_and_bytes(folder: Path) -> None:
    with running_system(folder, environment=HASTY) as before:
        api_key = before.mint_api_key()
        job = before.call(api_key, "POST", "/api/v1/generate", PROMPT)
        picture = picture_of(before, api_key, job["id"])
        before.command.signal(signal.SIGKILL)
        before.command.ended()
        eventually(lambda: not processes_in(folder))
    with running_system(folder, environment=HASTY) as after:
        assert after.admin_key == before.admin_key
        assert after.url == before.url
        assert picture_of(after, api_key, job["id"]) == picture
        again = after.call(api_key, "POST", "/api/v1/generate", PROMPT)
        assert again["status"] == "succeeded"


def test_a_job_under_way_when_it_was_killed_ends_after_the_next_start(folder: Path) -> None:
    with running_system(folder, environment=HASTY) as before:
        api_key = before.mint_api_key()
        jobs = [before.call(api_key, "POST", "/api/v1/jobs", PROMPT)["id"] for _ in range(5)]
        before.command.signal(signal.SIGKILL)
        before.command.ended()
    with running_system(folder, environment=HASTY) as after:
        eventually(lambda: statuses(after, api_key, jobs) == {"succeeded"})


def statuses(system: System, api_key: str, jobs: list[str]) -> set[str]:
    return {system.call(api_key, "GET", f"/api/v1/jobs/{job_id}")["status"] for job_id in jobs}


def test_a_taken_port_is_one_clear_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run_arqade(folder, "up", "--port", str(port), "--data-dir", "data")
    assert refused.returncode == 1
    line = f"Error: cannot listen on 127.0.0.1:{port}: Address already in use. Name another with --port"
    assert refused.stderr.splitlines() == [line]
    assert refused.stdout == ""
    assert processes_in(folder) == {}


def test_a_setting_that_does_not_hold_is_one_clear_line(folder: Path) -> None:
    refused = run_arqade(folder, *UP, environment={"LEASE_S": "many"})
    assert refused.returncode == 1
    assert "LEASE_S" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_processes_that_die_are_started_again_and_it_is_said(folder: Path) -> None:
    with running_system(folder, environment=HASTY) as system:
        api_key = system.mint_api_key()
        for name in ("api", "worker-1", "objects", "valkey"):
            end(folder, name)
            eventually(lambda: f"{name} ended with status -9 and starts again" in system.command.said)  # noqa: B023
        eventually(lambda: is_ready(system.url))
        assert system.call(api_key, "POST", "/api/v1/generate", PROMPT)["status"] == "succeeded"


def test_what_the_environment_says_of_other_servers_does_not_count(folder: Path) -> None:
    elsewhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_USE_SSL": "true"}
    with running_system(folder, environment={**HASTY, **elsewhere, "API_KEY_PEPPER": "x" * 40}) as system:
        assert is_ready(system.url)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
def test_wherever_it_listens_artifacts_can_be_fetched(folder: Path, host: str) -> None:
    with running_system(folder, "--host", host, environment=HASTY) as system:
        api_key = system.mint_api_key()
        job = system.call(api_key, "POST", "/api/v1/generate", PROMPT)
        assert picture_of(system, api_key, job["id"]).startswith(b"\x89PNG")
        assert "0.0.0.0" not in job["artifacts"][0]["url"]


def test_a_lost_admin_key_is_replaced_and_a_foreign_one_refused(folder: Path) -> None:
    with running_system(folder, environment=HASTY) as first:
        pass
    (folder / "data/admin.key").unlink()
    with running_system(folder, environment=HASTY) as second:
        assert second.admin_key != first.admin_key
        assert second.mint_api_key()
        assert (folder / "data/admin.key").stat().st_mode & 0o777 == 0o600
    (folder / "data/admin.key").write_text("aq_adm_nonsense")
    refused = run_arqade(folder, *UP)
    assert refused.returncode == 1
    assert "holds no api key" in refused.stderr
    assert (folder / "data/admin.key").read_text() == "aq_adm_nonsense"
    assert processes_in(folder) == {}


def test_the_admin_key_goes_where_it_is_told(folder: Path) -> None:
    with arqade(folder, *UP, "--admin-key-file", "keys/of the admin", environment=HASTY) as command:
        command.wait_for_line('{"event": "ready"')
        assert (folder / "keys/of the admin").read_text().startswith("aq_adm_")
        assert not (folder / "data/admin.key").exists()
        command.signal(signal.SIGTERM)
        assert command.ended() == 0


@pytest.mark.parametrize("seconds", [0.2, 0.6, 0.9, 1.2, 1.5, 1.8, 2.2, 2.8])
def test_ctrl_c_at_any_moment_leaves_no_process(folder: Path, seconds: float) -> None:
    with arqade(folder, *UP, environment=HASTY) as command:
        with suppress(TimeoutExpired):
            command.process.wait(seconds)
        listens = (folder / "data").exists()  # before, Python itself may still be starting
        command.signal(signal.SIGINT)
        command.ended()
        eventually(lambda: not processes_in(folder))
        assert "Traceback" not in command.said or not listens


@pytest.mark.parametrize("name", ["valkey", "objects", "api", "worker-1"])
def test_ctrl_c_while_a_part_starts_ends_in_order(folder: Path, name: str) -> None:
    with arqade(folder, *UP, environment=HASTY) as command:
        eventually((folder / f"data/run/{name}.pid").exists)
        command.signal(signal.SIGINT)
        assert command.ended() == 0, command.said
        assert processes_in(folder) == {}


def test_a_second_ctrl_c_does_not_wait(folder: Path, prompt: Prompt) -> None:
    with running_system(folder, environment={"DRAIN_GRACE_S": "60", "OCR_ENABLED": "false"}) as system:
        pid = int((folder / "data/run/api.pid").read_text().split()[0])
        os.kill(pid, signal.SIGSTOP)  # so that it cannot drain
        system.command.signal(signal.SIGINT)
        eventually(lambda: "stopping" in system.command.said)
        with prompt(10):
            system.command.signal(signal.SIGINT)
            assert system.command.ended() == 128 + signal.SIGINT
            eventually(lambda: not processes_in(folder))
