"""What a model left behind: its files, fetched while their addresses are good, and its words."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from libs.artifacts.artifact import NewArtifact
from libs.artifacts.sniff import EXTENSIONS, sniff
from libs.backends.prediction import Prediction
from libs.egress import Egress
from libs.errors import Failure
from libs.kinds.kind import Output

__all__ = ["FILES_MAX", "FILE_BYTES_MAX", "OutputLostError", "fetched"]

FILES_MAX: Final = 20
FILE_BYTES_MAX: Final = 50 * 1024 * 1024
_FILES_BYTES_MAX: Final = 100 * 1024 * 1024
_DEPTH_MAX: Final = 16
#: A result that is longer is an artifact and not part of the record.
_RESULT_BYTES_MAX: Final = 32 * 1024
_TYPES: Final = frozenset(EXTENSIONS)
#: A file within the output (RFC 2397); any other text that begins with "data:" is text.
_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[^;,\s]*)*;base64,", re.ASCII)


class OutputLostError(Failure):
    """An output's address is good no more: another attempt has to make it anew."""


async def fetched(prediction: Prediction, egress: Egress) -> Output:
    """The output of a prediction that has succeeded. Raises Failure, and OutputLostError.

    Every address in it is taken for a file; in the result stands the file's name instead.
    """
    keeping = _Keeping(egress)
    result = await keeping.replaced(prediction.output)
    facts = {"prediction_id": prediction.id, "model": prediction.model or None, "version": prediction.version or None}
    told: dict[str, Any] = {**facts, "predict_seconds": prediction.predict_s, "files": len(keeping.files)}
    if len(orjson.dumps(result)) <= _RESULT_BYTES_MAX:
        return Output({**told, "result": result}, tuple(keeping.files))
    whole = NewArtifact("result.json", "application/json", orjson.dumps(result))
    return Output({**told, "result": None}, (*keeping.files, whole))


class _Keeping:
    """Goes through an output and fetches what it meets, one after the other: never two large files at once."""

    def __init__(self, egress: Egress) -> None:
        self.files: list[NewArtifact] = []
        self._egress = egress
        self._bytes = 0

    async def replaced(self, value: Any, depth: int = 0) -> Any:
        if depth > _DEPTH_MAX:
            raise _invalid(f"is nested deeper than {_DEPTH_MAX}")
        if isinstance(value, list):
            return [await self.replaced(each, depth + 1) for each in value]
        if isinstance(value, Mapping):
            return {str(name): await self.replaced(each, depth + 1) for name, each in value.items()}
        if isinstance(value, str) and value.startswith(("https://", "http://")) and " " not in value:
            return self._kept(*await self._fetched(value))
        if isinstance(value, str) and _DATA_URL.match(value):
            return self._kept(*_decoded(value))
        return value

    async def _fetched(self, url: str) -> tuple[bytes, str]:
        self._require_room()
        try:
            file = await self._egress.fetch(url, bytes_max=FILE_BYTES_MAX, types=_TYPES)
        except Failure as failure:
            raise _unfetched(failure) from None
        return file.data, file.content_type

    def _kept(self, data: bytes, content_type: str) -> str:
        self._require_room()
        self._bytes += len(data)
        if self._bytes > _FILES_BYTES_MAX:
            raise _invalid(f"has files of more than {_FILES_BYTES_MAX} bytes together")
        name = f"{len(self.files)}.{EXTENSIONS[content_type]}"
        self.files.append(NewArtifact(name, content_type, data))
        return name

    def _require_room(self) -> None:
        if len(self.files) >= FILES_MAX:
            raise _invalid(f"has more than {FILES_MAX} files")


def _decoded(url: str) -> tuple[bytes, str]:
    text = url.partition(",")[2]
    if len(text) > FILE_BYTES_MAX * 4 // 3 + 4:
        raise _invalid("holds a data URL that is too large")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # binascii's too
        raise _invalid("holds a data URL that is not base64") from None
    return data, sniff(data)


def _unfetched(failure: Failure) -> Failure:
    """The provider named the address, not the caller: it is not the caller's fault."""
    if failure.code == "url_refused" and not failure.retryable:
        return OutputLostError("output_expired", "The provider keeps the output no more", retryable=True)
    detail = f"An output could not be fetched ({failure.code.removeprefix('url_')})"
    return Failure(failure.code.replace("url_", "output_", 1), detail, retryable=failure.retryable)


def _invalid(what: str) -> Failure:
    return Failure("output_invalid", f"The output {what}")
