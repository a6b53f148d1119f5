"""What every fault run has, and the table of figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.figures import FIGURES
from tests.faults.site import Site, site
from tests.faults.yard import Yard, yard
from tests.servers import S3Server

OpenYard = Callable[..., AbstractAsyncContextManager[Yard]]


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), s3) as started:
        yield started


@pytest.fixture
def open_yard(whole_site: Site, tmp_path: Path, s3: S3Server) -> OpenYard:
    """`async with open_yard(…) as yard`: settings of the workers."""
    return partial(yard, whole_site, tmp_path, s3)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES.lines:
        terminalreporter.section("figures of the fault runs")
        for line in FIGURES.table():
            terminalreporter.write_line(line)
