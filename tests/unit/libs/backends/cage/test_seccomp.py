"""The filters of both architectures, run by a small machine of the kernel's kind; the kernel runs ours elsewhere."""

from __future__ import annotations

import errno

import pytest

from libs.backends.cage import Profile
from libs.backends.cage.kernel import ARCHITECTURES
from libs.backends.cage.seccomp import program_for
from libs.backends.cage.syscalls import ALWAYS, FILES, PROGRAMS, THREADS

ALLOWED, KILLED, REFUSED, UNKNOWN = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
DECODER = Profile(memory_bytes_max=1)
ENGINE = Profile(memory_bytes_max=1, threads=True)
STARTER = Profile(memory_bytes_max=1, threads=True, programs=("/usr/bin/tesseract",))
#: connect, ptrace, execve, openat, clone by their numbers on both.
CALLS = {
    "x86_64": {"connect": 42, "socket": 41, "ptrace": 101, "execve": 59, "openat": 257, "clone": 56, "mmap": 9},
    "aarch64": {"connect": 203, "socket": 198, "ptrace": 117, "execve": 221, "openat": 56, "clone": 220, "mmap": 222},
}


def verdict(profile: Profile, machine: str, number: int, *arguments: int, files: bool = True, other: int = 0) -> int:
    """Run the filter on a call, as the kernel's machine would (linux/filter.h)."""
    program = program_for(profile, machine, files=files)
    words = {0: number, 4: other or ARCHITECTURES[machine][0]}
    words |= {16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate(arguments)}
    at = held = 0
    while True:
        code, then, otherwise, constant = program[at]
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            held = words.get(constant, 0)
        else:
            holds = {0x15: held == constant, 0x25: held > constant, 0x45: bool(held & constant)}[code]
            at += then if holds else otherwise


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_is_in_no_list_is_refused(machine: str) -> None:
    calls = CALLS[machine]
    for profile in (DECODER, ENGINE, STARTER):
        assert {verdict(profile, machine, calls[name]) for name in ("connect", "socket", "ptrace")} == {REFUSED}
    assert verdict(ENGINE, machine, calls["execve"]) == REFUSED
    assert verdict(STARTER, machine, calls["execve"]) == ALLOWED
    assert verdict(DECODER, machine, 10_000) == REFUSED


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_files_are_opened_only_where_something_says_which(machine: str) -> None:
    assert verdict(DECODER, machine, CALLS[machine]["openat"], files=True) == ALLOWED
    assert verdict(DECODER, machine, CALLS[machine]["openat"], files=False) == REFUSED


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_threads_are_no_processes(machine: str) -> None:
    clone = CALLS[machine]["clone"]
    assert verdict(DECODER, machine, clone, 0x10000) == REFUSED
    assert verdict(ENGINE, machine, clone, 0x10000) == ALLOWED
    assert verdict(ENGINE, machine, clone, 17) == REFUSED
    assert verdict(STARTER, machine, clone, 17) == ALLOWED
    assert verdict(STARTER, machine, 435) == UNKNOWN, "so that libraries ask by clone"


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_memory_holds_no_new_code(machine: str) -> None:
    mmap = CALLS[machine]["mmap"]
    assert verdict(DECODER, machine, mmap, 0, 4_096, 3) == ALLOWED
    assert verdict(DECODER, machine, mmap, 0, 4_096, 7) == REFUSED


def test_a_call_by_another_architecture_ends_the_process() -> None:
    assert verdict(DECODER, "x86_64", 11, other=0x40000003) == KILLED, "execve of i386"
    assert verdict(DECODER, "x86_64", 0x40000000 | 42) == REFUSED, "connect of x32"


def test_the_numbers_of_an_architecture_are_each_of_one_call() -> None:
    for column in (0, 1):
        numbers = [found for each in (ALWAYS, FILES, THREADS, PROGRAMS) for found in [n[column] for n in each.values()]]
        there = [number for number in numbers if number is not None]
        assert len(there) == len(set(there))
