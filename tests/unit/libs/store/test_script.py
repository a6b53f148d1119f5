from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from libs.store.keyspace import Keyspace
from libs.store.replies import ReplyError
from libs.store.script import Script

KEYS = Keyspace.with_prefix("cui")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "some_lua_files"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "clock.lua").write_text("local now = 1\nlocal later = 2")  # no newline at its end
    (folder / "parts" / "fair.lua").write_text("-- fair\n")
    (folder / "claim.lua").write_text("\nreturn now\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def test_a_script_is_its_files_one_after_the_other_and_is_called_like_the_last(package: str) -> None:
    script = Script.of(package, "clock.lua", "parts/fair.lua", "claim.lua")
    assert script.name == "claim"
    assert script.text == "local now = 1\nlocal later = 2\n-- fair\n\nreturn now\n"
    assert not script.allow_oom


def test_the_keys_stand_above_and_flags_above_them() -> None:
    assert Script("a", "return 1").body(KEYS) == KEYS.lua() + "\nreturn 1"
    assert Script("a", "return 1", allow_oom=True).body(KEYS) == "#!lua flags=allow-oom\n" + KEYS.lua() + "\nreturn 1"


def test_the_digest_is_of_what_is_sent_so_another_prefix_has_another() -> None:
    script = Script("a", "return 'é'")
    assert script.digest(KEYS) == hashlib.sha1(script.body(KEYS).encode()).hexdigest()
    assert script.digest(KEYS) != script.digest(Keyspace.with_prefix("other"))


def test_a_file_that_is_missing_is_said_at_once(package: str) -> None:
    with pytest.raises(FileNotFoundError):
        Script.of(package, "nothing.lua")


@pytest.mark.parametrize("allow_oom", [False, True])
@pytest.mark.parametrize(
    "line, place",
    [
        (0, "claim head"),
        (1, "clock.lua:1"),
        (2, "clock.lua:2"),
        (3, "fair.lua:1"),
        (4, "claim.lua:1"),
        (5, "claim.lua:2"),
    ],
)
def test_lines_of_an_error_are_those_of_the_files(package: str, allow_oom: bool, line: int, place: str) -> None:
    script = Script.of(package, "clock.lua", "parts/fair.lua", "claim.lua", allow_oom=allow_oom)
    sent = line + (2 if allow_oom else 1)
    said = script.explain(ReplyError(f"ERR user_script:{sent}: oh script: 12ab, on @user_script:{sent}."), KEYS)
    assert f"{place}: oh" in str(said)
    assert "user_script" not in str(said)
    assert said.code == "ERR"


def test_an_error_without_a_line_names_the_script() -> None:
    said = Script("claim", "").explain(ReplyError("WRONGTYPE Operation against a key"), KEYS)
    assert str(said) == "WRONGTYPE Operation against a key (in claim)"
