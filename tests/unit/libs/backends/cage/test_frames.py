from __future__ import annotations

import os

import pytest

from libs.backends.cage import frames
from libs.backends.cage.frames import FRAME_BYTES_MAX, PREFIX_BYTES, body_size, pack, unpack


def test_what_is_packed_is_unpacked() -> None:
    frame = pack({"language": "de"})
    assert body_size(frame[:PREFIX_BYTES]) == len(frame) - PREFIX_BYTES
    assert unpack(frame[PREFIX_BYTES:]) == {"language": "de"}


def test_a_frame_has_a_largest_size() -> None:
    body_size(FRAME_BYTES_MAX.to_bytes(PREFIX_BYTES, "big"))
    with pytest.raises(ValueError, match="over"):
        body_size(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="over"):
        pack({"data": b"0" * FRAME_BYTES_MAX})


@pytest.mark.parametrize("body", [b"", b"\x01", b"\xc1", b"\x81\xa1"])
def test_a_body_that_is_no_map_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack(body)


def test_what_is_written_is_read_until_the_other_end_hangs_up() -> None:
    reading, writing = os.pipe()
    frames.write(writing, {"page": 1})
    frames.write(writing, {"page": 2})
    os.close(writing)
    assert [frames.read(reading) for _ in range(3)] == [{"page": 1}, {"page": 2}, None]
    os.close(reading)
