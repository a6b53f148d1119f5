from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from libs.errors import Refusal
from tests.fakes.upload_desk import BYTES_MAX, Desk


def tiff(*sizes: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    pages = [Image.new("1", size) for size in sizes]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    return file.getvalue()


@pytest.mark.parametrize("declared", [1, 10**6], ids=["more", "less"])
async def test_another_size_than_declared_is_refused_and_removed(desk: Desk, png: bytes, declared: int) -> None:
    upload, _ = await desk.send(png, size=declared)
    for _ in range(2):  # also when it is asked again
        with pytest.raises(Refusal, match=f"{declared} bytes were declared and {len(png)} arrived") as refused:
            await desk.complete(upload)
        assert refused.value.code == "validation_failed"
        assert refused.value.errors[0]["pointer"] == "#/size_bytes"
    assert (await desk.load(upload)).status == "refused"
    assert not await desk.arrived(upload)


@pytest.mark.parametrize(
    "declared, data",
    [
        ("image/png", b"<script>alert(1)</script>"),
        ("image/jpeg", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01"),
        ("application/pdf", b"MZ\x90\x00\x03"),
        ("application/jsonl", b"%PDF-1.7 {}"),
    ],
)
async def test_another_type_than_declared_is_refused_and_removed(desk: Desk, declared: str, data: bytes) -> None:
    upload, _ = await desk.send(data, declared)
    with pytest.raises(Refusal, match=f"{declared} was declared and ") as refused:
        await desk.complete(upload)
    assert refused.value.errors[0]["pointer"] == "#/content_type"
    assert not await desk.arrived(upload)


@pytest.mark.parametrize(
    "size, code", [((5_000, 5_000), None), ((5_001, 5_000), "too_many_pixels"), ((0, 5), "unreadable")]
)
async def test_pictures_have_25_megapixels_at_most(desk: Desk, size: tuple[int, int], code: str | None) -> None:
    upload, _ = await desk.send(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", *size))
    if code is None:
        assert (await desk.complete(upload)).status == "completed"
        return
    with pytest.raises(Refusal) as refused:
        await desk.complete(upload)
    assert refused.value.errors[0]["code"] == code


async def test_every_page_of_a_tiff_counts_wherever_its_directory_lies(desk: Desk) -> None:
    upload, _ = await desk.send(tiff((100, 50), (30, 20), (10, 10)), "image/tiff")
    assert (await desk.complete(upload)).page_count == 3
    far = bytearray(tiff((100, 50)))
    (directory,) = struct.unpack_from("<I", far, 4)
    far[4:8] = struct.pack("<I", len(far))  # the same directory again, at the end
    moved = bytes(far) + bytes(far[directory:])
    upload, _ = await desk.send(moved, "image/tiff")
    assert (await desk.complete(upload)).page_count == 1
    upload, _ = await desk.send(tiff((100, 50), (6_000, 5_000)), "image/tiff")
    with pytest.raises(Refusal, match="25 megapixels"):
        await desk.complete(upload)


async def test_a_directory_behind_the_first_megabyte_is_fetched(desk: Desk) -> None:
    page = tiff((100, 50))
    (directory,) = struct.unpack_from("<I", page, 4)
    gap = 1_500_000
    data = b"II*\x00" + struct.pack("<I", gap) + bytes(gap - 8) + page[directory:]
    upload, _ = await desk.send(data, "image/tiff")
    assert (await desk.complete(upload)).page_count == 1


async def test_a_pdf_and_json_lines_are_taken(desk: Desk) -> None:
    for content_type, data in (("application/pdf", b"%PDF-1.7\n"), ("application/x-ndjson", b'{"a":1}\n{"a":2}\n')):
        upload, _ = await desk.send(data, content_type)
        assert (await desk.complete(upload)).page_count is None


@pytest.mark.parametrize(
    "member, wrong",
    [
        ("filename", {"filename": "a\x00b"}),
        ("filename", {"filename": "x" * 256}),
        ("content_type", {"content_type": "image/svg+xml"}),
        ("content_type", {"content_type": ""}),
        ("size_bytes", {"size": 0}),
        ("size_bytes", {"size": -1}),
        ("size_bytes", {"size": BYTES_MAX + 1}),
    ],
)
async def test_what_cannot_be_uploaded_is_refused_at_once(desk: Desk, member: str, wrong: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refused:
        await desk.create(**{"size": 1, **wrong})  # type: ignore[arg-type]
    assert refused.value.errors[0]["pointer"] == f"#/{member}"
    assert await desk.store.call("KEYS", "*") == []


async def test_the_largest_upload_is_allowed(desk: Desk) -> None:
    upload, _ = await desk.create(BYTES_MAX, content_type="Image/JPG; q=1", filename="../a.jpg")
    assert (upload.filename, upload.content_type) == ("a.jpg", "image/jpeg")
