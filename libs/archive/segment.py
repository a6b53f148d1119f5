"""A segment of archived jobs: many records of one user in one object, and what its name tells.

::

    <user>/archive/jobs/<day>/<last job>.<first job>.<count>.<kept until, s>.<digest>.jsonl.gz

The day is that in which the jobs' ids were made, so an id tells where to look, and names sort by the last id. The
object is gzip over one JSON object a line, in order of id: `{"id", "record": {member: text}, "binary": {member:
base64}}`. It is written once and never changed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from libs.archive.agenda import note_name
from libs.errors import Unavailable
from libs.ids import made_at_ms

__all__ = [
    "SEGMENT_BYTES_MAX",
    "SEGMENT_JOBS_MAX",
    "GarbledSegmentError",
    "Segment",
    "day_of",
    "find_line",
    "lines_of",
    "pack",
    "read_line",
    "segments_prefix",
]

#: A segment is closed at so many records, or so many bytes before compression, whichever is first.
SEGMENT_JOBS_MAX = 1_000
SEGMENT_BYTES_MAX = 4 * 1024 * 1024

_NAME = re.compile(
    r"(?P<user>[a-z]+_\w+)/archive/jobs/(?P<day>\d{4}-\d\d-\d\d)/"
    r"(?P<last>job_\w+)\.(?P<first>job_\w+)\.(?P<count>\d+)\.(?P<kept>\d+)\.(?P<digest>[0-9a-f]{16})\.jsonl\.gz",
    re.ASCII,
)

Record = Mapping[bytes, bytes]


class GarbledSegmentError(Unavailable):
    """What lies where a segment should be is none."""

    def __init__(self) -> None:
        super().__init__("objects", "a segment of the archive cannot be read: it was changed or cut off")


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of a segment without reading it. `kept_until_s` is when the last of its jobs may go."""

    user_id: str
    day: str
    first: str
    last: str
    count: int
    kept_until_s: int
    digest: str

    @classmethod
    def of(cls, user_id: str, job_ids: Sequence[str], kept_until_s: int, data: bytes) -> Segment:
        """The segment of these jobs, whose ids are of one day and in order."""
        digest = hashlib.sha256(data).hexdigest()[:16]
        return cls(user_id, day_of(job_ids[0]), job_ids[0], job_ids[-1], len(job_ids), kept_until_s, digest)

    @classmethod
    def named(cls, name: str) -> Segment | None:
        """The segment of that name; None when it is none."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        count, kept_until_s = int(match["count"]), int(match["kept"])
        return cls(match["user"], match["day"], match["first"], match["last"], count, kept_until_s, match["digest"])

    @property
    def object_name(self) -> str:
        """Where it lies."""
        facts = f"{self.last}.{self.first}.{self.count}.{self.kept_until_s}.{self.digest}"
        return f"{segments_prefix(self.user_id, self.day)}{facts}.jsonl.gz"

    @property
    def note_name(self) -> str:
        """Its note on the agenda."""
        return note_name(self.object_name, self.kept_until_s)


def segments_prefix(user_id: str, day: str = "") -> str:
    """What the names of a user's segments begin with."""
    return f"{user_id}/archive/jobs/{day}/" if day else f"{user_id}/archive/jobs/"


def day_of(job_id: str) -> str:
    """The day (UTC) in which an id was made."""
    return datetime.fromtimestamp(made_at_ms(job_id) / 1_000, UTC).strftime("%Y-%m-%d")


def pack(records: Sequence[tuple[str, Record]]) -> bytes:
    """The object of these records. The same records give the same bytes, so that repeating it changes nothing."""
    return gzip.compress(b"".join(_line(job_id, record) for job_id, record in records), 6, mtime=0)


def lines_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each job's id and its line. Raises GarbledSegmentError."""
    for line in _unpacked(data).splitlines():
        yield line[7 : line.index(b'"', 7)].decode(), line


def find_line(data: bytes, job_id: str) -> bytes | None:
    """The line of one job, without reading the others. Raises GarbledSegmentError."""
    text = _unpacked(data)
    start = text.find(b'{"id":"%b"' % job_id.encode())
    return None if start < 0 else text[start : text.index(b"\n", start)]


def read_line(line: bytes) -> tuple[str, dict[bytes, bytes]]:
    """A job's id and its record, as Redis held it; members that a newer version added are ignored."""
    stored = orjson.loads(line)
    record = {name.encode(): text.encode() for name, text in stored["record"].items()}
    binary = {name.encode(): base64.b64decode(text) for name, text in stored.get("binary", {}).items()}
    return stored["id"], record | binary


def _unpacked(data: bytes) -> bytes:
    try:
        text = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as garbled:
        raise GarbledSegmentError from garbled
    if text and not (text.startswith(b'{"id":"') and text.endswith(b"}\n")):
        raise GarbledSegmentError
    return text


def _line(job_id: str, record: Record) -> bytes:
    told: dict[str, str] = {}
    binary: dict[str, str] = {}
    for name, value in record.items():
        try:
            told[name.decode()] = value.decode()
        except UnicodeDecodeError:
            binary[name.decode()] = base64.b64encode(value).decode()
    return orjson.dumps({"id": job_id, "record": told, "binary": binary}, option=orjson.OPT_APPEND_NEWLINE)
