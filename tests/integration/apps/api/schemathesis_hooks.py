"""Each example comes from an address of its own: guessing keys from one is soon refused, as it should be.

Every other stream is that of one job that is there, and has ended: one that nobody runs would be followed for ever.
"""

from __future__ import annotations

import ast
import os
import random
import sys
import threading
from typing import Any

import schemathesis

#: Two threads that read source at once trip over each other (https://github.com/python/cpython/issues/106905), and
#: hypothesis reads the source of every lambda that it is given.
_parse, _one_at_a_time = ast.parse, threading.RLock()


def _parsed(*args: Any, **kwargs: Any) -> Any:
    with _one_at_a_time:
        return _parse(*args, **kwargs)


if sys.version_info < (3, 11, 8):
    ast.parse = _parsed
_KNOWN = 0.5
_STREAM = "/api/v1/jobs/{id}/events"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.headers["X-Forwarded-For"] = f"198.{random.randint(18, 19)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    if case.operation.path == _STREAM and case.path_parameters:
        known = str(case.path_parameters.get("id", "")).startswith("job_")
        if known or random.random() < _KNOWN:
            case.path_parameters["id"] = os.environ["SCHEMATHESIS_JOB"]
