from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from libs.artifacts.png import without_texts


def png(*, secret: str = "") -> bytes:
    texts = PngInfo()
    if secret:
        texts.add_text("prompt", secret)
        texts.add_text("workflow", secret * 100, zip=True)
        texts.add_itxt("parameters", secret)
    into = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = secret
    Image.linear_gradient("L").save(into, "PNG", pnginfo=texts, exif=exif if secret else None)
    return into.getvalue()


def test_a_graph_in_a_picture_is_taken_out_and_the_picture_stays() -> None:
    stripped = without_texts(png(secret="class_type"))
    assert b"class_type" not in stripped
    assert stripped == png()
    with Image.open(io.BytesIO(stripped)) as picture:
        assert picture.info == {}
        assert picture.tobytes() == Image.linear_gradient("L").tobytes()


@pytest.mark.parametrize("cut", [0, 8, 20, 100])
def test_a_damaged_one_stays_damaged(cut: int) -> None:
    assert without_texts(png(secret="class_type")[:cut]).startswith(b"\x89PNG")


@given(st.binary())
def test_whatever_comes_it_ends(data: bytes) -> None:
    assert len(without_texts(data)) <= max(8, len(data))
