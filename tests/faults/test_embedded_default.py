"""The default of a laptop at length: pictures one after the other through `arqade up`, with nothing set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.processes import eventually
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE
from tests.system import running_system

BATCH_ITEMS_MAX = 1_000


def picture(number: int) -> dict[str, Any]:
    return {"prompt": f"a lighthouse, {number}", "width": 64, "height": 64, "steps": 1}


def test_the_untouched_default_draws_thousands_of_pictures(tmp_path: Path) -> None:
    """More nodes than the stand-in's cache holds: its 251st picture of one size was its last one once."""
    with running_system(tmp_path, environment={"OCR_ENABLED": "false"}) as system:
        api_key = system.mint_api_key()
        for start in range(0, SIZE.embedded_pictures, BATCH_ITEMS_MAX):
            numbers = range(start, min(start + BATCH_ITEMS_MAX, SIZE.embedded_pictures))
            sent = {"kind": "generate", "items": [picture(number) for number in numbers]}
            batch = system.call(api_key, "POST", "/api/v1/batches", sent)["links"]["self"]
            eventually(lambda: system.call(api_key, "GET", batch)["status"] != "running", within_s=SIZE.within_s)  # noqa: B023
            ended = system.call(api_key, "GET", batch)
            assert (ended["status"], ended["counts"]["succeeded"]) == ("finished", len(numbers))
    FIGURES.note("the embedded default", "pictures drawn", SIZE.embedded_pictures)
