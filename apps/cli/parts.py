"""The parts of a system on one machine: which processes there are, and what each is told."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from apps.settings import Settings
from libs.embedded.data_dir import DataDir
from libs.embedded.objects import objects
from libs.embedded.part import Part, http_answers
from libs.embedded.ports import authority
from libs.embedded.process import Child, StartError, start_child
from libs.embedded.standin import standin
from libs.embedded.valkey import valkey

__all__ = ["api_part", "embedded_parts", "own_environment", "public_host", "reached_at", "settings_for", "worker_part"]

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared, not bound
_READY = frozenset({200})
#: What a process may need beyond its own grace to leave.
_FAREWELL_S = 5.0


def embedded_parts(data: DataDir, settings: Settings, *, host: str) -> list[Part]:
    """The servers of a data folder. Artifacts are fetched from the object store itself, so it listens on `host` too."""
    found = [
        valkey(
            data.path / "valkey",
            port=data.ports.port_for("valkey"),
            password=data.secrets.redis_password,
            log=data.log("valkey"),
            pid_file=data.pid_file("valkey"),
            options={"appendfsync": settings.redis_appendfsync},
        ),
        objects(
            data.path / "objects",
            host=host,
            port=data.ports.port_for("objects", host),
            access_key=data.secrets.s3_access_key,
            secret_key=data.secrets.s3_secret_key,
            bucket=settings.minio_bucket,
            log=data.log("objects"),
            pid_file=data.pid_file("objects"),
        ),
    ]
    stand_in = standin(
        port=data.ports.port_for("comfyui stand-in"),
        log=data.log("comfyui-standin"),
        pid_file=data.pid_file("comfyui-standin"),
        environment=own_environment({}),
    )
    # Its own address comes back to us in a .env that `arqade infra` has written.
    if settings.comfyui_url in {None, stand_in.settings["COMFYUI_URL"]} and not _names_a_fleet(settings):
        found.append(stand_in)
    return found


def _names_a_fleet(settings: Settings) -> bool:
    try:
        return any(backend.protocol == "comfyui" for backend in settings.read_backends_file())
    except ValueError as error:
        raise StartError(f"BACKENDS_FILE: {error}") from None


def settings_for(data: DataDir, settings: Settings, parts: Sequence[Part], *, public_host: str) -> dict[str, str]:
    """The variables that reach the servers; clients' URLs are signed for `public_host`, or as a setting says."""
    found = {name: text for part in parts for name, text in part.settings.items()}
    found["API_KEY_PEPPER"] = data.secrets.api_key_pepper
    s3_port = int(found["MINIO_ENDPOINT"].rpartition(":")[2])
    found["MINIO_PUBLIC_ENDPOINT"] = settings.minio_public_endpoint or authority(public_host, s3_port)
    if settings.comfyui_url:
        found.setdefault("COMFYUI_URL", settings.comfyui_url)
    return found


def api_part(data: DataDir, settings: Settings, told: Mapping[str, str], *, port: int) -> Part:
    """The API process; it answers once everything it depends on does."""
    told = {**told, "HOST": settings.host, "PORT": str(port)}
    return Part(
        name="api",
        spawn=lambda: _spawn(data, "api", ["api"], told),
        answers=lambda: http_answers(reached_at(settings.host), port, "/ready", _READY),
        grace_s=settings.drain_grace_s + _FAREWELL_S,
    )


def worker_part(data: DataDir, settings: Settings, told: Mapping[str, str], number: int) -> Part:
    """One worker process; jobs wait until it is there, so nobody need wait for it."""
    name = f"worker-{number}"
    return Part(
        name=name,
        spawn=lambda: _spawn(data, name, ["worker"], told),
        answers=lambda: True,
        grace_s=settings.drain_grace_s + _FAREWELL_S,
    )


def reached_at(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in _WILDCARDS else host


def public_host(host: str) -> str:
    """Where other machines reach it: the address we would send from."""
    if host not in _WILDCARDS:
        return host
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # RFC 5737; a datagram socket sends nothing here
        return str(probe.getsockname()[0])
    return socket.gethostname()


def _spawn(data: DataDir, name: str, arguments: Sequence[str], told: Mapping[str, str]) -> Child:
    return start_child(
        name,
        # -P: a folder `apps` or `libs` in the working directory is not ours
        [sys.executable, "-P", "-m", "apps.cli.main", *arguments],
        log=data.log(name),
        environment=own_environment(told),
        pid_file=data.pid_file(name),
    )


def own_environment(told: Mapping[str, str]) -> dict[str, str]:
    """Ours, passed on; what the data folder says wins, and Python finds the packages where we found them."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **told, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
