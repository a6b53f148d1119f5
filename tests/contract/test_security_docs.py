"""The page on security names tests that exist, and all of those that were written for it."""

from __future__ import annotations

import re

from tests.contract.paths import ROOT, files, read, rows

PAGE = "docs/reference/security.md"
_FOLDER = "integration/owasp"


def test_every_test_that_is_named_exists() -> None:
    gone, folder = [], ""
    for name in re.findall(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.py|(?:unit|integration|contract)/[a-z0-9_/]+)`", read(PAGE)):
        path = name if "/" in name else f"{folder}/{name}"
        folder = path.rpartition("/")[0]
        if not (ROOT / "tests" / path).exists():
            gone.append(path)
    assert not gone


def test_every_item_of_the_list_has_its_module_and_every_module_its_line() -> None:
    items = [row for row in rows(read(PAGE)) if row[0].startswith("API")]
    assert [row[0].split()[0] for row in items] == [f"API{n}" for n in range(1, 11)]
    for n, row in enumerate(items, 1):
        assert f"`{_FOLDER}/test_api{n}_" in row[2]
    modules = {path.name for path in files(f"tests/{_FOLDER}", suffixes=(".py",)) if path.name.startswith("test_")}
    assert modules == set(re.findall(rf"{_FOLDER}/(test_\w+\.py)", read(PAGE)))
