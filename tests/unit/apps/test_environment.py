"""What is forgotten is gone from where other processes would look for it, and the rest is as it was."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, os, subprocess, sys
from pathlib import Path
sys.path[:] = sys.argv[1:]
from apps.environment import forget
found = forget({"A_SECRET", "ANOTHER_SECRET", "NOT_SET"})
assert found == {"A_SECRET": "canary-1", "another_secret": "canary-2"}, found
assert "A_SECRET" not in os.environ
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
assert getenv(b"A_SECRET") is None
assert getenv(b"KEPT") == b"yes"
assert b"canary" not in Path("/proc/self/environ").read_bytes()
assert b"KEPT=yes" in Path("/proc/self/environ").read_bytes()
assert b"canary" not in subprocess.run(["/usr/bin/env"], stdout=subprocess.PIPE, check=True).stdout
"""


def test_a_secret_is_forgotten_where_others_would_look() -> None:
    given = {"KEPT": "yes", "A_SECRET": "canary-1", "another_secret": "canary-2", "LAST": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *filter(None, sys.path)], env=given, check=False, text=True, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")
