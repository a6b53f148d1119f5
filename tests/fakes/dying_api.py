"""The API, dying on demand: its process ends, without a word, at the n-th step of a submission.

A step is every moment at which a submission lets go of the event loop or takes hold of it again, every call of
`receive` and `send` before and after, and every write to Redis once it has left. Between two steps nothing happens
that anybody else could see, so a process that dies at each of them in turn has died at every point that matters.

A program: it loads the API once, then forks a process for each line `<n> <log file>` that it reads, and prints that
process's id; n = 0 never dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from apps.api import main
from apps.settings import Settings
from libs.store.connection import Connection
from libs.store.watch import StoreWatch

__all__ = ["SURVIVED"]

#: What a process that got through a submission alive writes into its log.
SURVIVED = b"a submission was survived\n"
_SUBMIT = ("POST", "/api/v1/jobs")
_PR_SET_PDEATHSIG = 1


class _Fuse:
    """Counts the steps of submissions; the process is over at the last."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._lit = False

    def light(self) -> None:
        self._lit = True

    def put_out(self) -> None:
        self._lit = False
        os.write(2, SURVIVED)

    def step(self) -> None:
        if self._lit:
            self._left -= 1
            if self._left == 0:
                os._exit(1)


class _Mortal:
    """The application, whose submissions are counted step by step."""

    def __init__(self, app: ASGIApp, fuse: _Fuse) -> None:
        self._app = app
        self._fuse = fuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope.get("method"), scope.get("path")) != _SUBMIT:
            await self._app(scope, receive, send)
            return
        self._fuse.light()
        answering: Any = self._app(scope, _counted(receive, self._fuse), _counted(send, self._fuse))
        await _stepwise(answering, self._fuse)
        self._fuse.put_out()


def _counted(call: Callable[..., Awaitable[Any]], fuse: _Fuse) -> Callable[..., Awaitable[Any]]:
    async def counted(*arguments: Any) -> Any:
        fuse.step()
        result = await call(*arguments)
        fuse.step()
        return result

    return counted


@types.coroutine
def _stepwise(coroutine: Coroutine[Any, Any, None], fuse: _Fuse) -> Generator[Any, Any, None]:
    """Drive a coroutine as the event loop does, counting whenever it lets go and whenever it goes on."""
    resume: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731  # what comes next: a value, or an error
    while True:
        try:
            awaited = resume()
        except StopIteration:
            return
        fuse.step()
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001  # a cancellation is passed on, like everything else
            resume = lambda error=error: coroutine.throw(error)  # type: ignore[misc]  # noqa: E731
        else:
            resume = lambda: coroutine.send(None)  # noqa: E731
        fuse.step()


async def _rest(watch: StoreWatch) -> None:
    """Look at nothing."""


def _serve(steps: int, log: str) -> None:
    """Be an API, in a process that was forked for it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
    fuse = _Fuse(steps)
    wired: Callable[[Any], ASGIApp] = vars(main)["_wired"]
    flush = Connection._flush

    def flush_and_count(connection: Connection) -> None:
        flush(connection)
        fuse.step()

    setattr(StoreWatch, "keep", _rest)  # noqa: B010  # what looks every two seconds is no step of a submission
    vars(main)["_wired"] = lambda api: _Mortal(wired(api), fuse)
    setattr(Connection, "_flush", flush_and_count)  # noqa: B010  # an assignment would not be typed
    os._exit(main.serve(Settings()))


def _fork_for_each_line() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel buries them
    for line in sys.stdin:
        steps, _, log = line.strip().partition(" ")
        pid = os.fork()
        if pid == 0:
            _serve(int(steps), log)
        print(pid, flush=True)


if __name__ == "__main__":
    _fork_for_each_line()
