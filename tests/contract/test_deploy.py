"""The deployment files agree with the code and with one another, and are as closed as they claim to be."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from libs.kinds import KINDS
from tests.contract.paths import ROOT, files, interpolated, known_variables, project, read, version

BASE = ROOT / "deploy/k8s/base"
OVERLAYS = ROOT / "deploy/k8s/overlays"
UNITS = ["deploy/systemd/arqade-api.service", "deploy/systemd/arqade-worker@.service"]
#: How much longer whoever stops a process waits than the process itself takes to drain.
MARGIN_S = 10
#: The object store's: root's, and the processes'.
KEYS = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|PEPPER|ACCESS_KEY|ROOT_USER")


def manifests() -> list[dict[str, Any]]:
    documents = [yaml.safe_load_all(path.read_text()) for path in sorted(BASE.glob("*.yaml"))]
    return [found for several in documents for found in several if found["kind"] != "Kustomization"]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [found for found in manifests() if found["kind"] in kinds]


def pods() -> list[dict[str, Any]]:
    return [found["spec"]["template"]["spec"] for found in of_kind("Deployment", "StatefulSet")]


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods() for container in pod["containers"]]


def is_ours(image: str) -> bool:
    return image.startswith("arqade:")


def compose(path: str = "docker-compose.yml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(read(path))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def default_of(text: str) -> str:
    """What docker compose puts for `${NAME:-default}` when nobody sets NAME."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


def settings_env() -> dict[str, str]:
    lines = [line for line in (BASE / "settings.env").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


# Variables


def test_every_variable_of_our_containers_is_a_setting() -> None:
    for container in containers():
        if is_ours(container["image"]):
            named = {entry["name"]: json.dumps(entry) for entry in container["env"]}
            unknown = set(named) - known_variables()
            assert all(any(f"$({name})" in other for other in named.values()) for name in unknown), unknown
    assert set(settings_env()) <= known_variables()


def test_every_variable_of_composes_processes_is_a_setting() -> None:
    for name in ("api", "worker"):
        told = services()[name]["environment"]
        kept_away = {variable for variable, value in told.items() if value == ""}
        assert kept_away == {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}, "which .env holds for the object store alone"
        assert set(told) - kept_away <= known_variables()


def test_every_variable_of_the_image_and_the_units_is_a_setting() -> None:
    told_by_image = set(re.findall(r"^ +(?:ENV )?([A-Z_]+)=", read("Dockerfile"), re.MULTILINE))
    assert {name for name in told_by_image if not name.startswith(("PIP_", "PYTHON"))} <= known_variables()
    for unit in UNITS:
        assert set(re.findall(r"^Environment=([A-Z_]+)=", read(unit), re.MULTILINE)) <= known_variables()


def test_compose_is_told_everything_by_env_example() -> None:
    told = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", read(".env.example"), re.MULTILINE))
    assert interpolated(read("docker-compose.yml")) <= told | known_variables()


# Images


def images() -> dict[str, str]:
    """Every image that something runs, by where it is named."""
    named = {f"compose {name}": default_of(service["image"]) for name, service in services().items()}
    named |= {f"k8s {container['name']}": container["image"] for container in containers()}
    base = re.search(r"^ARG PYTHON_IMAGE=(.+)$", read("Dockerfile"), re.MULTILINE)
    assert base
    return named | {"Dockerfile": base[1]}


@pytest.mark.parametrize("place,image", images().items(), ids=lambda value: value.replace(" ", "-"))
def test_an_image_is_pinned_to_a_release(place: str, image: str) -> None:
    tag = image.rpartition("/")[2].partition(":")[2]
    assert re.search(r"\d+\D\d+\D\d+", tag), f"{place}: {image}"


def test_our_image_is_of_this_version_everywhere() -> None:
    ours = {image for image in images().values() if is_ours(image)}
    assert ours == {f"arqade:{version()}"}
    assert f'image.version="{version()}"' in read("Dockerfile")
    assert f"newTag: {version()}" in (OVERLAYS / "example/kustomization.yaml").read_text()


def test_compose_and_kubernetes_run_the_same_servers() -> None:
    for name in ("redis", "objects"):
        assert images()[f"compose {name}"] == images()[f"k8s {name}"]


# Closed by default


def test_no_container_of_kubernetes_can_do_more_than_it_must() -> None:
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("name", ["api", "worker", "redis", "objects"])
def test_no_container_of_compose_can_do_more_than_it_must(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "healthcheck" in service or name == "api", "the API's stands in the image"


def test_compose_listens_on_loopback_alone() -> None:
    for path in ("docker-compose.yml", "docker-compose.dev.yml"):
        ports = [port for service in compose(path)["services"].values() for port in service.get("ports", [])]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    users = re.findall(r"^USER (.+)$", read("Dockerfile"), re.MULTILINE)
    assert users == ["10001:10001"]
    assert {pod["securityContext"]["runAsUser"] for pod in pods() if is_ours(pod["containers"][0]["image"])} == {10001}


def test_only_workers_of_the_gpu_queue_reach_comfyui() -> None:
    policies = [
        policy["spec"]
        for policy in of_kind("NetworkPolicy")
        if policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/name") == "comfyui"
    ]
    assert len(policies) == 1
    senders = [sender for rule in policies[0]["ingress"] for sender in rule["from"]]
    assert [sender["podSelector"]["matchLabels"]["arqade/queue"] for sender in senders] == ["gpu"]


def test_only_workers_of_the_net_queue_reach_the_internet_and_deliver_webhooks() -> None:
    outward = [
        policy["spec"]["podSelector"]["matchLabels"]["arqade/queue"]
        for policy in of_kind("NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        if any("ipBlock" in receiver for receiver in rule["to"])
    ]
    assert outward == ["net"]
    told = {
        variables["WORKER_QUEUES"]: variables.get("WEBHOOK_SLOTS")
        for pod in pods()
        for container in pod["containers"]
        if "WORKER_QUEUES" in (variables := {one["name"]: one.get("value") for one in container.get("env", [])})
    }
    assert told == {"gpu": "0", "cpu": "0", "net": None}


def test_every_queue_has_its_workers_in_kubernetes() -> None:
    served = {value for name, value in entries(manifests()) if name == "WORKER_QUEUES"}
    assert {kind.queue for kind in KINDS.values()} <= served


def test_metrics_are_to_be_had_from_within_alone() -> None:
    told = dict(line.split("=", 1) for line in read("deploy/k8s/base/settings.env").split())
    assert (told["METRICS_PUBLIC"], told["PORT"]) == ("false", "8000")
    port = int(told["PROMETHEUS_PORT"])
    served = [one["containerPort"] for pod in pods() for one in pod["containers"][0].get("ports", [])]
    assert served.count(port) == 4, "the API and three kinds of workers"
    leads = {one["targetPort"] for service in of_kind("Service") for one in service["spec"]["ports"]}
    assert not {port, "metrics"} & leads
    rules = [rule for policy in of_kind("NetworkPolicy") for rule in policy["spec"].get("ingress", [])]
    (to_metrics,) = [rule for rule in rules if port in {one["port"] for one in rule["ports"]}]
    (sender,) = to_metrics["from"]
    assert sender["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_the_proxies_of_the_examples_are_trusted() -> None:
    assert "- TRUSTED_PROXIES=10.244.0.0/16 # change me" in read("deploy/k8s/overlays/example/kustomization.yaml")
    found = compose("docker-compose.yml")
    (network,) = found["networks"]["default"]["ipam"]["config"]
    assert found["services"]["api"]["environment"]["TRUSTED_PROXIES"] == f"${{TRUSTED_PROXIES:-{network['gateway']}}}"


def test_kubernetes_denies_what_it_does_not_allow() -> None:
    denial = next(policy for policy in of_kind("NetworkPolicy") if policy["metadata"]["name"] == "arqade-default-deny")
    assert denial["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(denial["spec"])


# Secrets


def entries(tree: object) -> Iterator[tuple[str, object]]:
    """Every variable that a manifest or a compose file gives a process."""
    match tree:
        case {"name": str(name), "value": value}:
            yield name, value
        case {"environment": dict(environment), **others}:
            yield from environment.items()
            yield from entries(others)
        case dict():
            for child in tree.values():
                yield from entries(child)
        case list():
            for child in tree:
                yield from entries(child)


def test_no_secret_has_a_value_or_a_default() -> None:
    for name, value in [*entries(manifests()), *entries(compose())]:
        if SECRET_NAME.search(name) and value != "":
            assert re.fullmatch(r"\$\{[A-Z_]+(:\?[^}]+)?\}", str(value)), name
    assert not of_kind("Secret", "ConfigMap")


def test_a_missing_secret_stops_compose_with_a_line_that_says_what_to_set() -> None:
    text = read("docker-compose.yml")
    for name in (*KEYS, "REDIS_PASSWORD", "API_KEY_PEPPER"):
        assert re.search(rf"\$\{{{name}:\?set {name} in \.env", text)
        assert f"${{{name}:-" not in text


def test_every_secret_that_a_manifest_refers_to_is_in_the_examples_list() -> None:
    example = (OVERLAYS / "example/secrets.env.example").read_text()
    listed = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    wanted = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for container in containers()
        for entry in container["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert listed == dict.fromkeys(wanted, "")
    assert "secrets.env" in (OVERLAYS / ".gitignore").read_text().split()


# Redis must not lose jobs


@pytest.mark.parametrize("place", ["compose", "k8s"])
def test_redis_keeps_its_log_and_evicts_nothing(place: str) -> None:
    if place == "compose":
        (script,) = services()["redis"]["command"]
    else:
        (script,) = next(container["args"] for container in containers() if container["name"] == "redis")
    command, _, given = script.partition("<<EOF")
    arguments = shlex.split(command.replace("\\\n", ""))[3:]
    told = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert told["--appendonly"] == "yes"
    assert default_of(told["--appendfsync"]) == "everysec"
    assert told["--maxmemory-policy"] == "noeviction"
    assert told["--protected-mode"] == "yes"
    assert "requirepass" not in command, "command lines are shown to whoever may list processes"
    assert re.search(r"^requirepass \$+\w+$", given, re.MULTILINE)


# The object store's user


def test_the_processes_are_not_root_of_the_object_store() -> None:
    setup = read("deploy/k8s/base/objects-setup.sh")
    server = next(container for container in containers() if container["name"] == "objects")
    keys = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in server["env"] if entry["name"] in KEYS
    }
    assert all(keys[name] == name for name in KEYS)
    assert all(name in setup for name in KEYS)
    (mounted,) = services()["objects-setup"]["volumes"]
    assert mounted.startswith("./deploy/k8s/base/objects-setup.sh:")
    for name in ("api", "worker"):
        assert services()[name]["depends_on"]["objects-setup"] == {"condition": "service_completed_successfully"}
    for pod in pods():
        for container in pod["containers"]:
            assert container["name"] == "objects" or "MINIO_ROOT" not in json.dumps(container)


def test_the_setup_shows_no_secret_and_gives_what_is_needed() -> None:
    setup = read("deploy/k8s/base/objects-setup.sh")
    code = [line for line in setup.splitlines() if not line.startswith("#")]
    calls = [line for line in code if re.match(r"\s*mc ", line)]
    assert not [line for line in calls if "SECRET" in line or "PASSWORD" in line]
    policy = re.search(r"printf '%s' '(\{.*?\n\})' > ", setup, re.DOTALL)
    assert policy
    statements = json.loads(policy[1].replace("'\"$bucket\"'", "arqade"))["Statement"]
    assert [one["Resource"] for one in statements] == [["arn:aws:s3:::arqade"], ["arn:aws:s3:::arqade/*"]]
    assert set(re.findall(r'"(s3:\w+)"', setup)) == {
        *("s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
        *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"),
    }


# Stopping and probing


def test_whoever_stops_a_process_waits_until_it_has_drained() -> None:
    grace_s = float(settings_env()["DRAIN_GRACE_S"])
    ours = [pod for pod in pods() if is_ours(pod["containers"][0]["image"])]
    assert all(pod["terminationGracePeriodSeconds"] >= grace_s + MARGIN_S for pod in ours)
    for name in ("api", "worker"):
        service = services()[name]
        drains_s = float(default_of(service["environment"]["DRAIN_GRACE_S"]))
        assert float(service["stop_grace_period"].removesuffix("s")) >= drains_s + MARGIN_S
    for unit in UNITS:
        waits = re.search(r"^TimeoutStopSec=(\d+)$", read(unit), re.MULTILINE)
        assert waits
        assert float(waits[1]) >= grace_s + MARGIN_S


def test_probes_ask_for_paths_that_the_api_has() -> None:
    api = next(container for container in containers() if container["name"] == "api")
    asked = {probe: api[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/ping", "livenessProbe": "/ping", "readinessProbe": "/health"}
    assert "/ping" in read("Dockerfile")
    sources = "".join(path.read_text() for path in files("apps/api", suffixes=(".py",)))
    assert all(f'"{path}"' in sources for path in asked.values())


# What the image is made of


def pins(path: str) -> dict[str, set[str]]:
    """Package → versions; a universal lock may hold two, for two Pythons."""
    found: dict[str, set[str]] = {}
    for name, pin in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", read(path), re.MULTILINE):
        found.setdefault(name, set()).add(pin)
    return found


def packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=! \[;]", line)[0].lower() for line in requirements}


def test_the_images_lock_is_the_lock_without_tools_and_embedded_servers() -> None:
    everything, image = pins("requirements.lock"), pins("deploy/image.lock")
    extras = project()["project"]["optional-dependencies"]
    assert {name: everything.get(name) for name in image} == image
    assert packages(project()["project"]["dependencies"]) | packages(extras["ocr"]) <= set(image)
    brought_by_ocr = {"pyyaml"}
    tools = (packages(extras["dev"]) | packages(extras["embedded"])) - brought_by_ocr
    assert not tools & set(image)


@pytest.mark.parametrize("path", ["deploy/image.lock", "deploy/build.lock"])
def test_every_pin_has_a_hash(path: str) -> None:
    text = read(path)
    hashed = re.findall(r"^([a-z0-9._-]+)==.+ \\\n    --hash=sha256:", text, re.MULTILINE)
    assert hashed == re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE)


def test_the_image_installs_by_hash_alone() -> None:
    installs = re.findall(r"pip install (.*)$", read("Dockerfile"), re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
