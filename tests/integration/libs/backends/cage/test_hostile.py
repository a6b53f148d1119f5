"""A child that wants out of the cage gets nowhere: as root, as root that may not change, and as anybody.

What it tries is in `tests.fakes.hostile`. The same attempts are made without the cage first, where they get on: so none
of them is refused for want of trying.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.backends.cage.fork_server import ZYGOTE, ForkServer
from libs.backends.cage.kernel import kernel

DECODER, ENGINE = "tests.fakes.hostile", "tests.fakes.hostile_engine"

#: Ways for a zygote to be, as what it does before it begins.
FREE = "import libs.backends.cage.zygote as z; z.lock_in = lambda *_: None"
AS_IT_IS = ""
WITHOUT_LANDLOCK = (
    "import libs.backends.cage.zygote as z; from libs.backends.cage.kernel import Kernel\n"
    "z.kernel = lambda: Kernel(seccomp=True, landlock=0)"
)
WITHOUT_SECCOMP = (
    "import libs.backends.cage.zygote as z; from libs.backends.cage.kernel import Kernel, kernel\n"
    "z.kernel = lambda: Kernel(seccomp=False, landlock=kernel().landlock)"
)
ROOT_THAT_STAYS = "import os; os.setresuid = os.setresgid = os.setgroups = lambda *_: None"
ANYBODY = (
    "import os, ctypes, tests.fakes.hostile, tests.fakes.hostile_engine\n"
    "import libs.backends.cage.zygote\n"
    "os.setgroups([]); os.setresgid(1234, 1234, 1234); os.setresuid(1234, 1234, 1234)\n"
    "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"  # as a process is that always was this user's
    "ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)"
)
#: Becoming another needs root; who runs the tests otherwise is anybody already.
USERS = {"as it is": AS_IT_IS} | ({} if os.geteuid() else {"root that stays": ROOT_THAT_STAYS, "anybody": ANYBODY})

#: What an engine may, for it has to load and start what reads pages.
ENGINES_OWN = frozenset(("fork", "natively fork", "start a thread", "clone3", "run code it has written"))
#: What Landlock is not for.
NOT_OF_FILES = frozenset(
    (
        *("fork", "natively fork", "start a thread", "clone3", "run code it has written", "make a file in memory"),
        *("make an IPv6 socket", "connect to a Unix socket", "send a datagram", "make a pair of sockets"),
        *(
            "hold it by a descriptor",
            "set its priority",
            "limit it",
            "go elsewhere",
            "outlive its parent",
            "be traceable",
        ),
        *("have namespaces of its own", "use io_uring", "use the kernel's keys", "be root", "handle page faults"),
    )
)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[dict[str, object]]:
    """Things of ours that a hostile child would like: files, and sockets that listen."""
    (tmp_path / "kept").write_text("ours")
    (tmp_path / ".env").write_text("API_KEY_PEPPER=ours")
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    tmp_path.chmod(0o777)
    listening = str(tmp_path / "s")
    word = ctypes.create_string_buffer(b"secret..")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(listening)
        unix.listen()
        Path(listening).chmod(0o777)
        yield {
            "worker": os.getpid(),
            "word": ctypes.addressof(word),
            "folder": str(tmp_path),
            "files": [str(tmp_path / ".env")],
            "port": tcp.getsockname()[1],
            "socket": listening,
        }


@asynccontextmanager
async def zygote(before: str) -> AsyncIterator[ForkServer]:
    first, rest = ZYGOTE.split("from libs", 1)
    server = ForkServer(f"{first}{before}\nfrom libs{rest}")
    try:
        yield server
    finally:
        await server.close()


async def outcomes(before: str, task: str, ends: dict[str, object]) -> dict[str, str]:
    async with zygote(before) as server, server.at_work(task, ends, b"") as child:
        return await child.hear(60)


def got(found: dict[str, str]) -> dict[str, str]:
    return {name: outcome for name, outcome in found.items() if not outcome.startswith("refused")}


async def test_every_attempt_gets_on_without_the_cage(ends: dict[str, object]) -> None:
    found = await outcomes(FREE, DECODER, ends)
    # These want what a container may keep from us, or more than a test should do to its machine.
    elsewhere = {"trace it", "use io_uring", "use the kernel's keys", "count events", "handle page faults", "clone3"}
    elsewhere |= {"load a program into the kernel", "have namespaces of its own", "make a raw socket", "be root"}
    elsewhere |= {"find what is open", "find variables", "make an IPv6 socket", "open by another call"}
    elsewhere |= {"raise its limits", "remove a file"}
    refused = set(found) - set(got(found)) - elsewhere
    if os.geteuid() == 0:
        assert not refused
    assert len(got(found)) > 30


@pytest.mark.parametrize("before", USERS.values(), ids=USERS)
async def test_a_decoder_gets_nowhere(before: str, ends: dict[str, object]) -> None:
    assert kernel().seccomp, "this suite is for kernels that can filter system calls"
    assert kernel().landlock, "this suite is for kernels with Landlock"
    assert got(await outcomes(before, DECODER, ends)) == {}


@pytest.mark.parametrize("before", USERS.values(), ids=USERS)
async def test_nor_without_landlock(before: str, ends: dict[str, object]) -> None:
    assert got(await outcomes(before + "\n" + WITHOUT_LANDLOCK, DECODER, ends)) == {}


@pytest.mark.parametrize("before", USERS.values(), ids=USERS)
async def test_landlock_alone_keeps_it_from_files_programs_and_tcp(before: str, ends: dict[str, object]) -> None:
    found = got(await outcomes(before + "\n" + WITHOUT_SECCOMP, DECODER, ends))
    assert set(found) - NOT_OF_FILES == set()


@pytest.mark.parametrize("before", USERS.values(), ids=USERS)
async def test_an_engine_reads_code_and_starts_one_program(before: str, ends: dict[str, object]) -> None:
    assert set(got(await outcomes(before, ENGINE, ends))) - ENGINES_OWN == set()
