"""The kinds of job on offer. To add one: write its file, and give it a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.kinds import generate, ocr
from libs.kinds.kind import Kind

__all__ = ["KINDS"]

KINDS: Mapping[str, Kind[Any]] = {
    generate.KIND.name: generate.KIND,
    ocr.KIND.name: ocr.KIND,
}
