"""What of uvicorn we build on without its having promised it; a release that moves it fails here, and not on the wire.

Whoever raises the bound in pyproject.toml runs this and `tests/integration/apps/api/server` first.
"""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState

from apps.api.server.flow import Flow
from apps.api.server.protocol import HttpProtocol
from apps.api.server.socket_protocol import SocketProtocol
from tests.contract.paths import read

HTTP = {
    "app", "client", "connections", "cycle", "expect_100_continue", "flow", "headers", "loop", "parser", "pipeline",
    "scope", "server_state", "tasks", "timeout_keep_alive", "timeout_keep_alive_task", "transport", "url",
    "_should_upgrade", "_start_asgi_task", "_unset_keepalive_if_required", "connection_lost", "connection_made",
    "data_received", "handle_websocket_upgrade", "on_body", "on_header", "on_headers_complete", "on_message_begin",
    "on_message_complete", "on_response_complete", "on_url", "pause_writing", "resume_writing",
    "timeout_keep_alive_handler",
}  # fmt: skip
CYCLE = {
    "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started",
    "scope", "transport",
}  # fmt: skip
FLOW = {"pause_reading", "read_paused", "resume_reading"}
SOCKET = {
    "app", "client", "close_sent", "conn", "frames", "handshake_complete", "handshake_initiated", "loop", "queue",
    "scope", "transport", "connection_lost", "connection_made", "data_received", "pause_writing", "resume_writing",
}  # fmt: skip
SERVER = {"capture_signals", "force_exit", "server_state", "serve", "servers", "should_exit", "started"}


def members(kind: type) -> set[str]:
    """What a class has, and what its methods give to themselves."""
    found = set(dir(kind))
    for base in kind.__mro__[:-1]:
        found |= set(_given(ast.parse(inspect.getsource(base))))
    return found


def _given(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def used(kind: type) -> set[str]:
    """What methods of ours say of `self`, `super()` and a cycle."""
    tree = ast.parse(inspect.getsource(kind))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    "kind, wanted",
    [
        (HttpToolsProtocol, HTTP),
        (RequestResponseCycle, CYCLE),
        (FlowControl, FLOW),
        (WebSocketsSansIOProtocol, SOCKET),
        (Server, SERVER - {"server_state", "started"}),
    ],
)
def test_uvicorn_has_what_we_build_on(kind: type, wanted: set[str]) -> None:
    assert wanted <= members(kind)
    assert 431 in STATUS_LINE
    assert hasattr(ServerState(), "connections")


@pytest.mark.parametrize(
    "ours, theirs, named",
    [
        (HttpProtocol, HttpToolsProtocol, HTTP),
        (SocketProtocol, WebSocketsSansIOProtocol, SOCKET),
        (Flow, FlowControl, FLOW),
    ],
)
def test_everything_that_we_build_on_is_named_here(ours: type, theirs: type, named: set[str]) -> None:
    mine = [base for base in ours.__mro__ if base.__module__.startswith("apps.")]
    own = {name for base in mine for name in vars(base)} - set(dir(theirs))
    touched = {name for base in mine for name in used(base)}
    public = touched & members(theirs) - own - CYCLE - set(dir(object))
    assert public - named <= {"client", "close", "config", "write", "body"} | set(dir(list))


def test_what_a_new_cycle_is_given_is_what_we_change() -> None:
    assert {"transport", "keep_alive", "scope"} <= set(inspect.signature(RequestResponseCycle).parameters)
    assert list(inspect.signature(HttpToolsProtocol._start_asgi_task).parameters) == ["self", "cycle", "app"]


def test_uvicorn_has_an_upper_bound() -> None:
    wanted = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    (bound,) = [one for one in wanted if one.startswith("uvicorn")]
    assert ",<" in bound
