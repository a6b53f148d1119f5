"""A package of somebody else's adds a kind: the example of docs/how-to/add-a-kind.md, through the whole system."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE_S
from tests.system import running_system

HOW_TO = Path(__file__).parents[4] / "docs/how-to/add-a-kind.md"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package of the how-to, as an installer lays it out."""
    text = HOW_TO.read_text()
    (source,) = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    (project,) = re.findall(r"```toml\n(.+?)```", text, re.DOTALL)
    said = tomllib.loads(project)["project"]
    site = tmp_path / "site"
    info = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir(parents=True)
    (site / "arqade_words.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    lines = [f"{name} = {value}" for name, value in said["entry-points"]["arqade.kinds"].items()]
    (info / "entry_points.txt").write_text("[arqade.kinds]\n" + "\n".join(lines) + "\n")
    return site


def test_a_kind_of_another_package_has_everything_that_ours_have(installed: Path, tmp_path: Path) -> None:
    text = b"one two two"
    with running_system(tmp_path, environment={"PYTHONPATH": str(installed)}) as system:
        headers = {"Authorization": f"Bearer {system.mint_api_key()}"}
        with httpx.Client(base_url=system.url, headers=headers, timeout=PATIENCE_S) as client:
            assert "words" in {kind["name"] for kind in client.get("/api/v1/kinds").json()["data"]}
            declared = {"filename": "a.jsonl", "content_type": "application/jsonl", "size_bytes": len(text)}
            upload = client.post("/api/v1/uploads", json=declared).json()
            httpx.put(upload["url"], content=text, headers=upload["headers"], timeout=PATIENCE_S).raise_for_status()
            client.post(f"/api/v1/uploads/{upload['id']}/complete").raise_for_status()
            job = client.post("/api/v1/words", json={"upload": upload["id"]}).json()
    assert (job["status"], job["output"]["commonest"]["two"]) == ("succeeded", 2)
    assert [artifact["name"] for artifact in job["artifacts"]] == ["words.json"]
