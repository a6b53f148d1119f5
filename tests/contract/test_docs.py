"""The reference pages say what the code says, both ways; links lead somewhere."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric

from apps.api.routes.admin.api_keys import NewApiKey
from apps.api.routes.admin.users import NewUser
from libs import limits
from libs.access.plan import DEFAULT_PLANS, Limits
from libs.errors import CATALOGUE
from libs.jobs.status import FINISHED, STATUSES
from libs.kinds.generate_input import GenerateInput
from libs.kinds.kind import Kind
from libs.metrics import Metrics
from libs.store.keyspace import ARQ, HEADS, Head
from tests.contract.paths import ROOT, files, read, rows

_HOUR_S, _DAY_S = 3_600, 86_400


def test_every_error_code_has_a_heading_and_every_heading_is_a_code() -> None:
    pattern = r"^## (\w+)\n\n\*\*(\d+)\*\* · (.+) · ((?:not )?retryable)\n\n\S"
    page = read("docs/reference/errors.md")
    written = [
        (code, int(status), title, word) for code, status, title, word in re.findall(pattern, page, re.MULTILINE)
    ]
    assert written == [
        (code, problem.status, problem.title, "retryable" if problem.retryable else "not retryable")
        for code, problem in CATALOGUE.items()
    ]
    assert page.count("\n## ") == len(CATALOGUE)


def key_row(head: Head, prefix: str) -> list[str]:
    return [f"`{prefix}{head.text}` {head.behind}".rstrip(), head.type, head.holds, head.stays]


def test_the_page_of_keys_is_the_keyspace() -> None:
    ours = [key_row(head, "arqade:") for head in HEADS.values()]
    arq = [key_row(head, "") for head in ARQ.values()]
    assert rows(read("docs/reference/redis-keys.md")) == ours + arq


def test_the_page_of_statuses_is_the_code() -> None:
    assert rows(read("docs/reference/statuses.md")) == [
        [f"`{status}`", "yes" if status in FINISHED else "", meaning] for status, meaning in STATUSES.items()
    ]


def section(page: str, heading: str) -> str:
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def plan_row(name: str, plan: Limits) -> list[str]:
    counted = (plan.units_per_day, plan.slots, plan.submits_per_minute, plan.attempts_per_submit)
    numbers = (*counted, plan.reads_per_minute, plan.uploads_per_minute, plan.queued_max, plan.pictures_per_job)
    told = ["unlimited" if number is None else f"{number:,}" for number in numbers]
    return [
        name,
        *told,
        span(plan.artifact_url_ttl_s),
        span(plan.retention_s),
        str(plan.weight),
        size(plan.stored_bytes_max),
        size(plan.records_bytes_max),
    ]


def size(byte_count: int | None) -> str:
    if byte_count is None:
        return "unlimited"
    return f"{byte_count // 2**30} GiB" if byte_count >= 2**30 else f"{byte_count // 2**20} MiB"


def span(seconds: int) -> str:
    return f"{seconds // _HOUR_S} h" if seconds <= _DAY_S else f"{seconds // _DAY_S} d"


def test_the_table_of_plans_is_the_plans() -> None:
    assert rows(section(read("LIMITS.md"), "Plans")) == [plan_row(name, plan) for name, plan in DEFAULT_PLANS.items()]


def test_every_ceiling_is_listed_with_its_value() -> None:
    table = rows(section(read("LIMITS.md"), "Ceilings that no setting moves"))
    assert {row[0].strip("`"): row[1] for row in table} == {
        name: told(getattr(limits, name)) for name in limits.__all__
    }


def told(ceiling: float) -> str:
    return f"{int(ceiling):,}" if ceiling == int(ceiling) else f"{ceiling:g}"


PAGES = sorted(files(suffixes=(".md",)))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if not leads(page, target)]
    assert not broken


def leads(page: Path, target: str) -> bool:
    if "://" in target:
        return True
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not found.exists() or not found.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(found.read_text())


def anchors(text: str) -> set[str]:
    """The anchors that headings get where Markdown is shown."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_docs_is_in_its_index() -> None:
    index = read("docs/README.md")
    pages = {str(page.relative_to(ROOT / "docs")) for page in files("docs", suffixes=(".md",))} - {"README.md"}
    assert pages == {target for target in re.findall(r"\]\(([^)#]+\.md)\)", index) if not target.startswith("..")}


def test_the_service_levels_ask_for_metrics_that_exist() -> None:
    asked = set(re.findall(r"\b(arqade_[a-z_]+)", read("SLO.md")))
    exist = {sample_name for family in Metrics().registry.collect() for sample_name in names_of(family)}
    assert asked
    assert asked <= exist


def names_of(family: Metric) -> set[str]:
    """What a family is called in a query."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return {family.name + suffix for suffix in suffixes.get(family.type, ("",))}


def metric_row(metric: Counter | Gauge | Histogram) -> list[str]:
    family = next(iter(metric.describe()))
    labels = " ".join(f"`{name}`" for name in metric._labelnames)
    return [f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, labels, family.documentation]


def test_the_page_of_metrics_is_the_metrics() -> None:
    declared = [metric for metric in vars(Metrics()).values() if isinstance(metric, Counter | Gauge | Histogram)]
    written = rows(read("docs/reference/metrics.md"))
    assert [row[:4] for row in written if len(row) > 3] == [metric_row(metric) for metric in declared]
    assert {row[4] for row in written if len(row) > 3} <= {"API", "worker", "both"}


def test_the_kind_that_the_docs_add_is_one() -> None:
    (source,) = re.findall(r"```python\n(.+?)```", read("docs/how-to/add-a-kind.md"), re.DOTALL)
    module = types.ModuleType("words")
    sys.modules["words"] = module  # pydantic looks annotations up there
    exec(compile(source, "add-a-kind.md", "exec"), module.__dict__)
    kind = module.KIND
    assert isinstance(kind, Kind)
    assert kind.uploads(kind.input.model_validate({"upload": "upl_1"})) == ["upl_1"]


def test_the_requests_that_the_former_service_took_are_taken() -> None:
    page = read("docs/how-to/move-from-the-comfyui-service.md")
    bodies = re.findall(r"-d '(\{.+?\})'\n", page, re.DOTALL)
    picture, user, api_key = (json.loads(body.replace("'$USER_ID'", "usr")) for body in bodies)
    assert GenerateInput.model_validate(picture).fixed_seed == 42
    assert NewUser.model_validate(user).role == "pro"
    assert NewApiKey.model_validate(api_key).name == "production"
