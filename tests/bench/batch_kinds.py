"""The API, or a worker, with a kind that does nothing: what a batch costs besides its work."""

from __future__ import annotations

import sys
from typing import Any, cast

from apps.api.main import serve as serve_api
from apps.settings import Settings
from apps.worker.main import serve as serve_worker
from libs.kinds import KINDS
from libs.kinds.kind import Attempt, Input, Kind, Output


class Nothing(Input):
    """An address and a few words, as an item usually has."""

    url: str = ""
    words: str = ""


async def nothing(wanted: Nothing, attempt: Attempt) -> Output:
    return Output({"url": wanted.url})


if __name__ == "__main__":
    cast("dict[str, Kind[Any]]", KINDS)["nothing"] = Kind(name="nothing", queue="net", input=Nothing, run=nothing)
    raise SystemExit((serve_api if sys.argv[1] == "api" else serve_worker)(Settings()))
