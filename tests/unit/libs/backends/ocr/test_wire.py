from __future__ import annotations

import pytest

from libs.backends.ocr.wire import FRAME_BYTES_MAX, PREFIX_BYTES, Request, body_size, pack, prefix, unpack


def test_what_is_packed_is_unpacked() -> None:
    frame = pack(Request("image/png", "rapidocr", "de", searchable=True))
    assert body_size(frame[:PREFIX_BYTES]) == len(frame) - PREFIX_BYTES
    assert unpack(frame[PREFIX_BYTES:])["language"] == "de"


def test_a_frame_has_a_largest_size() -> None:
    prefix(FRAME_BYTES_MAX)
    with pytest.raises(ValueError, match="over"):
        prefix(FRAME_BYTES_MAX + 1)
    with pytest.raises(ValueError, match="over"):
        body_size(b"\xff\xff\xff\xff")


@pytest.mark.parametrize("body", [b"", b"\x01", b"\xc1", b"\x81\xa1"])
def test_a_body_that_is_no_map_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack(body)
