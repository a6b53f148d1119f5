"""Nobody searches the key space: what is to be found again has an index, and a search costs as all users together."""

from __future__ import annotations

import re

from tests.contract.paths import ROOT, files

COMMANDS = "KEYS|SCAN|SSCAN|HSCAN|ZSCAN|RANDOMKEY|FLUSHALL|FLUSHDB"
SEARCH = rf"""["'](?:{COMMANDS})["']|(?i:call\(\s*["'](?:{COMMANDS})["'])"""
#: As redis-py names them.
METHODS = r"\.(?:keys|scan|scan_iter|sscan|hscan|zscan|randomkey|flushall|flushdb)\("
#: `.keys(` of something in a file that holds no client of redis-py's.
CLIENTS = re.compile(r"\b(?:import redis|from redis|ArqRedis)\b")


def test_no_command_searches_the_key_space() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files("apps", "libs", suffixes=(".py", ".lua"))
        for match in re.finditer(SEARCH, path.read_text())
    ]
    assert not found


def test_no_client_of_another_kind_does_either() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in files("apps", "libs", suffixes=(".py",))
        if CLIENTS.search(text := path.read_text()) and re.search(METHODS, text)
    ]
    assert not found
