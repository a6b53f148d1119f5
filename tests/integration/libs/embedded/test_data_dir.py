from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from libs.embedded.data_dir import DataDir
from libs.embedded.ports import Ports, free_port, why_not
from libs.embedded.process import StartError
from tests.patience import PATIENCE_S


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    first = DataDir.open(tmp_path / "data")
    first.close()
    second = DataDir.open(tmp_path / "data")
    assert second.secrets == first.secrets
    assert len({second.secrets.redis_password, second.secrets.s3_secret_key, second.secrets.api_key_pepper}) == 3
    second.close()


def test_open_it_is_closed_to_others(tmp_path: Path) -> None:
    data = DataDir.open(tmp_path / "data")
    with pytest.raises(StartError, match="in use by process"):
        DataDir.open(tmp_path / "data")
    data.close()
    DataDir.open(tmp_path / "data").close()


def test_damaged_secrets_are_not_replaced_in_silence(tmp_path: Path) -> None:
    DataDir.open(tmp_path / "data").close()
    (tmp_path / "data/secrets.json").write_text("{")
    with pytest.raises(StartError, match="damaged"):
        DataDir.open(tmp_path / "data")
    assert (tmp_path / "data/secrets.json").read_text() == "{"


def test_a_file_in_its_place_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        DataDir.open(tmp_path / "data")


def test_a_port_is_remembered_and_chosen_anew_only_when_taken(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").port_for("valkey")
    assert Ports(tmp_path / "ports.json").port_for("valkey") == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert why_not("127.0.0.1", first) == "Address already in use"
        second = Ports(tmp_path / "ports.json").port_for("valkey")
    assert second != first
    assert Ports(tmp_path / "ports.json").port_for("valkey") == second


def test_two_servers_never_get_one_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    assert len({ports.port_for(f"server {number}") for number in range(50)}) == 50


def test_a_port_that_was_given_to_one_process_is_given_to_no_other_although_nobody_listens_yet() -> None:
    port = free_port()
    choose = f"""
from libs.embedded import ports
ports._RANGE = range({port}, {port + 1})
print(ports.free_port())
"""
    told = {"PYTHONPATH": str(Path(__file__).parents[4])}
    other = subprocess.run(
        [sys.executable, "-c", choose], env=told, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert other.returncode == 1, other.stdout
    assert "no free port" in other.stderr
    assert why_not("127.0.0.1", port) is None


@pytest.mark.parametrize("text", ["", "[]", '{"valkey": "x"}', '{"valkey": 0}', '{"valkey": 70000}', "\0"])
def test_a_damaged_list_of_ports_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert why_not("127.0.0.1", Ports(tmp_path / "ports.json").port_for("valkey")) is None
