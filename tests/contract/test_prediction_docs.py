"""The page for those who move from the image optimiser tells the truth."""

from __future__ import annotations

import json
import re

from apps.settings import Settings
from libs.backends.prediction import Prediction
from libs.egress import Egress
from libs.kinds.optimize_input import OptimizeInput
from libs.kinds.optimize_output import fetched
from tests.contract.paths import files, read

PAGE = read("docs/how-to/move-from-the-image-optimiser.md")


def test_what_the_page_orders_is_an_order() -> None:
    flat, envelope = (json.loads(text) for text in re.findall(r"-d '(\{.+?\})'\n", PAGE))
    assert OptimizeInput.model_validate(flat).image_url
    assert OptimizeInput.model_validate(envelope["input"]).image_url


async def test_the_page_shows_what_an_output_has() -> None:
    (told,) = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    output = await fetched(Prediction("p1", "succeeded", output="words"), Egress())
    assert json.loads(told).keys() == output.value.keys()


def test_the_page_names_every_failure_of_an_optimize_job() -> None:
    sources = [path.read_text() for path in files("libs/backends/prediction", suffixes=(".py",))]
    sources += [read(f"libs/kinds/optimize{part}.py") for part in ("", "_input", "_output")]
    codes = {code for text in sources for code in re.findall(r"(?:Failure|Error)\(\s*\"([a-z_]+)\"", text)}
    of_addresses = {
        f"output_{code}"
        for path in files("libs/egress", suffixes=(".py",))
        for code in re.findall(r"Failure\(\s*\"url_([a-z_]+)\"", path.read_text())
    }
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE.partition("**A job that failed says why:**")[2]))
    assert named - {"output_"} == codes | of_addresses


def test_the_page_names_variables_that_there_are() -> None:
    named = {name.lower() for name in re.findall(r"`((?:REPLICATE|PUBLIC)_[A-Z_]+)`", PAGE)}
    assert named <= set(Settings.model_fields)
    assert {name for name in Settings.model_fields if name.startswith("replicate_")} - named == {
        "replicate_url",
        "replicate_window_s",
        "replicate_in_flight_max",
    }
