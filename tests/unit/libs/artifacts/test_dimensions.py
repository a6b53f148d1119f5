from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from libs.artifacts.dimensions import TIFF_PAGES_MAX, Size, UnreadableError, size_of, tiff_pages

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def picture(kind: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def tiff(*sizes: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    pages = [Image.new("L", size) for size in sizes]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return file.getvalue()


def read_tiff(data: bytes) -> tuple[Size, ...]:
    asking = tiff_pages()
    offset, length = next(asking)
    while True:
        try:
            offset, length = asking.send(data[offset : offset + length])
        except StopIteration as done:
            pages: tuple[Size, ...] = done.value
            return pages


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("size", [(1, 1), (255, 257), (640, 3)])
def test_the_size_of_what_pillow_writes(kind: str, size: tuple[int, int]) -> None:
    assert size_of(picture(kind, size), TYPES[kind]) == Size(*size)


@pytest.mark.parametrize(
    "data",
    [
        picture("WEBP", (300, 200), lossless=True),
        picture("WEBP", (300, 200), "RGBA"),
        picture("WEBP", (300, 200), exif=b"Exif\x00\x00" + bytes(40)),
    ],
    ids=["lossless", "with alpha", "extended"],
)
def test_the_size_of_every_form_of_webp(data: bytes) -> None:
    assert size_of(data, "image/webp") == Size(300, 200)


@pytest.mark.parametrize(
    "data",
    [
        picture("JPEG", (300, 200), progressive=True),
        picture("JPEG", (300, 200), exif=b"Exif\x00\x00" + bytes(60_000)),
        picture("JPEG", (300, 200), icc_profile=bytes(200_000)),
        b"\xff\xd8" + b"\xff" * 5 + picture("JPEG", (300, 200))[3:],
    ],
    ids=["progressive", "with exif", "with a profile in four segments", "with fill bytes"],
)
def test_the_size_of_every_form_of_jpeg(data: bytes) -> None:
    assert size_of(data, "image/jpeg") == Size(300, 200)


def test_a_header_that_lies_is_believed_and_nothing_is_decoded() -> None:
    bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", 1_000_000, 1_000_000)
    size = size_of(bomb, "image/png")
    assert size is not None
    assert size.pixels == 10**12


@pytest.mark.parametrize("kind", TYPES)
def test_a_header_that_is_cut_off_gives_none(kind: str) -> None:
    data = picture(kind, (20, 10))
    sizes = {size_of(data[:end], TYPES[kind]) for end in range(len(data))}
    assert sizes == {None, Size(20, 10)}


@given(st.binary(max_size=300), st.sampled_from(sorted(TYPES.values())))
def test_garbage_gives_none_or_a_size(data: bytes, content_type: str) -> None:
    magic = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8", "image/webp": b"RIFF....WEBP"}
    size = size_of(magic.get(content_type, b"GIF89a") + data, content_type)
    assert size is None or size.pixels > 0


def test_the_sizes_of_a_tiff_s_pages() -> None:
    assert read_tiff(tiff((30, 20))) == (Size(30, 20),)
    assert read_tiff(tiff((30, 20), (7, 9), (1, 1))) == (Size(30, 20), Size(7, 9), Size(1, 1))


def test_a_big_endian_tiff() -> None:
    entries = struct.pack(">HHIHH", 256, 3, 1, 640, 0) + struct.pack(">HHII", 257, 4, 1, 480)
    assert read_tiff(struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">H", 2) + entries + bytes(4)) == (
        Size(640, 480),
    )


@pytest.mark.parametrize(
    "data, why",
    [
        (b"II+\x00" + bytes(20), "no TIFF"),
        (b"II*\x00", "ends before"),
        (b"II*\x00\xff\xff\xff\x7f", "ends before"),
        (struct.pack("<2sHIH", b"II", 42, 8, 60_000), "entries"),
        (struct.pack("<2sHIHI", b"II", 42, 8, 0, 0), "no size"),
    ],
)
def test_a_broken_tiff_is_unreadable(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read_tiff(data)


def test_a_tiff_whose_directories_form_a_circle_is_left() -> None:
    entries = struct.pack("<HHII", 256, 4, 1, 5) + struct.pack("<HHII", 257, 4, 1, 5)
    circle = struct.pack("<2sHIH", b"II", 42, 8, 2) + entries + struct.pack("<I", 8)
    with pytest.raises(UnreadableError, match=f"more than {TIFF_PAGES_MAX} pages"):
        read_tiff(circle)


@given(st.binary(max_size=200))
def test_a_garbled_tiff_is_unreadable_or_has_sizes(data: bytes) -> None:
    try:
        pages = read_tiff(b"II*\x00\x08\x00\x00\x00" + data)
    except UnreadableError:
        return
    assert all(page.pixels for page in pages)
