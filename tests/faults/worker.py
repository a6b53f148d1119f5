"""Workers for fault runs: `arqade worker` as it is, but offered the kinds of tests.

Each is a process of its own, forked from this one, which has imported everything: a start takes milliseconds, and a
thousand kills do not spend the machine on importing. Orders come as lines of JSON, and so does what became of them.

::

    {"start": 7, "log": path, "environment": {…}}   →   {"started": 7, "pid": 4711}
                                                        {"ended": 7, "status": -9, "at": seconds since the epoch}
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from apps.settings import Settings
from apps.worker.main import serve
from tests.faults.clock import set_clock
from tests.faults.failpoints import FAILPOINT, obey
from tests.faults.kinds import offer_fault_kinds

_PR_SET_PDEATHSIG = 1


def nurse() -> None:
    """Fork what is ordered, tell what ended, until stdin is closed."""
    offer_fault_kinds()
    woken, wake = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    numbers: dict[int, int] = {}
    orders = open(0, "rb", buffering=0)  # noqa: SIM115  # unbuffered, for select
    while True:
        ready, _, _ = select.select([orders.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4_096)
            bury(numbers)
        if len(ready) > (woken in ready):
            line = orders.readline()
            if not line:
                return
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                os.close(woken)
                os.close(wake)
                live(order)
            numbers[pid] = order["start"]
            tell(started=order["start"], pid=pid)


def bury(numbers: dict[int, int]) -> None:
    while numbers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell(ended=numbers.pop(pid), status=os.waitstatus_to_exitcode(status), at=time.time())


def tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def live(order: dict[str, Any]) -> None:
    """The life of one worker, in the child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with Path(order["log"]).open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.environ.update(order["environment"])
    if FAILPOINT in os.environ:
        obey(os.environ[FAILPOINT])
    set_clock(os.environ)
    sys.exit(serve(Settings()))


if __name__ == "__main__":
    nurse()
