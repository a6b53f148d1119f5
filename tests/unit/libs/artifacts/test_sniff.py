from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from libs.artifacts.sniff import EXTENSIONS, UNKNOWN, refine, sniff


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, kind)
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("a", "b")
    return file.getvalue()


@pytest.mark.parametrize(
    "kind, content_type",
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("AVIF", "image/avif"),
        ("PDF", "application/pdf"),
    ],
)
def test_what_pillow_writes_is_recognised(kind: str, content_type: str) -> None:
    assert sniff(picture(kind)) == content_type


@pytest.mark.parametrize(
    "data, content_type",
    [
        (archive(), "application/zip"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", UNKNOWN),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
        (b"ID3\x04\x00\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00", "audio/mpeg"),
        (b"fLaC\x00\x00\x00\x22", "audio/flac"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"glTF\x02\x00\x00\x00", "model/gltf-binary"),
        (b'{"asset": {"version": "2.0"}, "scenes": []}', "model/gltf+json"),
        (b"# made by hand\nv 0.0 1.0 -2.5\nv 1 1 1\nf 1 2 3\n", "model/obj"),
        (b'{"a": 1}', "application/json"),
        (b"\xef\xbb\xbf[1, 2]", "application/json"),
        (b'{"a": 1}\n{"a": 2}\n', "application/json"),
        ("grüß dich".encode(), "text/plain"),
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain"),
        (b"BMW is a maker of cars", "text/plain"),
        (b"", UNKNOWN),
        (b"\x00\x01\x02", UNKNOWN),
        (b"MZ\x90\x00\x03", UNKNOWN),
        ("grüß dich".encode("latin-1"), UNKNOWN),
        (b"text\x00with a NUL", UNKNOWN),
    ],
)
def test_content_types_come_from_the_bytes(data: bytes, content_type: str) -> None:
    assert sniff(data) == content_type


def test_text_cut_within_a_character_is_still_text() -> None:
    assert sniff(b"a" * 4_095 + "ü".encode() + b"b" * 100) == "text/plain"


def test_the_beginning_is_enough_for_every_picture() -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"):
        assert sniff(picture(kind)[:32]) == sniff(picture(kind))


def test_a_declared_type_counts_only_where_it_refines_text() -> None:
    assert refine("text/plain", "text/csv") == "text/csv"
    assert refine("application/json", "application/jsonl") == "application/jsonl"
    assert refine("image/png", "text/csv") == "image/png"
    assert refine("text/plain", "text/html") == "text/plain"
    assert refine(UNKNOWN, "image/png") == UNKNOWN


@given(st.binary(max_size=200), st.text(max_size=20))
def test_whatever_comes_has_a_type_with_an_extension(data: bytes, declared: str) -> None:
    assert sniff(data) in EXTENSIONS
    assert refine(sniff(data), declared) in EXTENSIONS
    assert "html" not in sniff(data)
