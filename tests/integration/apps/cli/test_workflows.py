"""The how-to about workflows, followed to the letter: what its files say is registered, ordered and retired."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

from tests.contract.paths import read
from tests.system import System, run_arqade

PAGE = "docs/how-to/register-a-workflow.md"


def blocks() -> tuple[str, dict[str, Any]]:
    """The definition and the order that the page shows."""
    definition, order = re.findall(r"```json\n(.+?)```", read(PAGE), re.DOTALL)
    return definition, json.loads(order)


def test_the_how_to_is_true_from_the_first_line_to_the_last(system: System, tmp_path: Path) -> None:
    def arqade(*arguments: str) -> str:
        told = ("--url", system.url, "--key-file", str(system.data / "admin.key"))
        done = run_arqade(tmp_path, "workflows", *arguments, *told)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    definition, order = blocks()
    (tmp_path / "postcard.json").write_text(definition)
    (command,) = re.findall(r"```\narqade workflows (register .+)\n```", read(PAGE))
    assert arqade(*command.split()) == "postcard version 1\n"
    assert arqade(*command.split()) == "postcard version 2\n"
    assert "A postcard of a place" in arqade("list")
    key = system.mint_api_key("PRO")
    schema = system.call(key, "GET", "/api/v1/workflows/postcard")["input_schema"]
    jsonschema.Draft202012Validator(schema).validate(order)
    job = system.call(key, "POST", "/api/v1/workflow", order)
    assert (job["status"], job["output"]["version"], len(job["artifacts"])) == ("succeeded", 2, 2)
    assert job["usage"]["units"] == 2
    assert json.loads(arqade("show", "postcard", "--version", "1"))["graph"] == json.loads(definition)["graph"]
    assert arqade("retire", "postcard", "--version", "1") == "postcard version 1 is retired\n"
    assert arqade("retire", "postcard") == "postcard is retired\n"
    assert "postcard" not in arqade("list")


def test_a_file_that_is_no_workflow_is_told_in_a_line(system: System, tmp_path: Path) -> None:
    told = ("--url", system.url, "--key-file", str(system.data / "admin.key"))
    (tmp_path / "a.json").write_text('{"graph": {"1": {"class_type": "Nobody", "inputs": {}}}}')
    (tmp_path / "b.json").write_text("[")
    refused = run_arqade(tmp_path, "workflows", "register", "a", "a.json", *told)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "#/graph/1/class_type" in refused.stderr
    assert run_arqade(tmp_path, "workflows", "register", "b", "b.json", *told).returncode == 2
