from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from libs.access.api_key import mint
from libs.logs import JsonLines, TextLines, redacted, set_up


def record(message: str, *arguments: object, **members: object) -> logging.LogRecord:
    made = logging.LogRecord("arqade.test", logging.INFO, __file__, 1, message, arguments, None)
    if members:
        made.__dict__["members"] = members
    return made


def line(message: str, *arguments: object, **members: object) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(JsonLines().format(record(message, *arguments, **members)))
    return found


def test_a_record_is_one_json_object_on_one_line() -> None:
    text = JsonLines().format(record("first\nsecond"))
    assert "\n" not in text
    assert orjson.loads(text)["message"] == "first\nsecond"


def test_members_of_a_record_become_members_of_the_object() -> None:
    found = line("%s done", "job", status=200, user=None)
    assert (found["message"], found["status"], found["user"]) == ("job done", 200, None)
    assert (found["level"], found["logger"]) == ("info", "arqade.test")


def test_a_member_that_json_cannot_say_is_told_by_its_repr() -> None:
    assert line("x", what=object)["what"] == "<class 'object'>"


def test_a_trace_stands_in_the_object() -> None:
    made = record("a bug")
    try:
        int("boom")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: invalid literal" in orjson.loads(JsonLines().format(made))["trace"]
    assert TextLines().format(made).endswith("'boom'")


#: One for each process: no id of a test may be made of it, or processes that share the tests could not tell them apart.
SECRET = mint()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SECRET, id="an api key"),
        pytest.param(f"x-api-key: {SECRET}", id="x-api-key"),
        pytest.param(f"Authorization: Bearer {SECRET}", id="Authorization"),
        "authorization: bearer canary.canary",
        "BEARER canary.canary",
        "redis://:canary@127.0.0.1:6379/0",
        "https://someone:canary@example.com/path",
        "GET /bucket/object?X-Amz-Signature=canary&x=1",
        "/ws/jobs/job_1?token=canary",
    ],
)
def test_a_secret_never_reaches_a_line(text: str) -> None:
    for formatter in (JsonLines(), TextLines()):
        told = formatter.format(record("said %s", text, header=text))
        assert "canary" not in told
        assert SECRET[12:] not in told


def test_what_is_no_secret_stays() -> None:
    text = "see https://example.com/a:b@c and redis://127.0.0.1:6379 at 12:00"
    assert redacted(text) == text


def test_people_get_a_line_of_text() -> None:
    assert TextLines().format(record("ready", port=8000)).endswith("INFO     ready  port=8000")


@pytest.fixture
def levels() -> Iterator[None]:
    """What `set_up` does to this process is undone."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    switches = (logging.logThreads, logging.logProcesses, logging.logMultiprocessing, logging._srcfile)
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing, logging._srcfile = switches
    for name in ("httpx", "httpcore", "urllib3", "uvicorn", "websockets"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
def test_libraries_never_tell_what_goes_over_the_wire(level: str) -> None:
    set_up(level)
    for name in ("httpcore.http11", "httpx", "urllib3.connectionpool", "uvicorn.error", "websockets.client"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.INFO) is (level != "WARNING")
    assert logging.getLogger("apps.worker.run").isEnabledFor(logging.DEBUG) is (level == "DEBUG")
