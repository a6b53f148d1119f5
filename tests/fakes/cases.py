"""Files like those that people scan, and what stands on them: in `tests/data/reading`, made for these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

__all__ = ["TRUTH", "case", "content_type_of"]

_FOLDER: Final = Path(__file__).parents[1] / "data" / "reading"
_TYPES: Final = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tif": "image/tiff",
}

#: The text of each file by its name.
TRUTH: Final[dict[str, str]] = json.loads((_FOLDER / "truth.json").read_text())


def case(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def content_type_of(name: str) -> str:
    return _TYPES[Path(name).suffix]
