"""What becomes of a caller's picture before any backend sees it."""

from __future__ import annotations

import asyncio
import io
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from libs.backends.cage import ForkServer
from libs.backends.pictures import PictureCleaner
from libs.errors import Failure
from tests.fakes.processes import eventually, processes_in
from tests.patience import PATIENCE_S

ORIENTATION, TURNED_LEFT = 0x0112, 8


@pytest.fixture
def pictures(cage: ForkServer) -> PictureCleaner:
    return PictureCleaner(cage)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    into = io.BytesIO()
    picture.save(into, kind, **options)
    return into.getvalue()


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


async def refused(pictures: PictureCleaner, data: bytes, content_type: str) -> Failure:
    with pytest.raises(Failure) as caught:
        await pictures.clean(data, content_type)
    assert (caught.value.code, caught.value.fault, caught.value.retryable) == ("image_unreadable", "caller", False)
    return caught.value


async def test_what_stands_beside_the_pixels_stays_behind(pictures: PictureCleaner) -> None:
    told = PngInfo()
    told.add_text("where", "51.5N 0.1W")
    exif = Image.Exif()
    exif[0x010F] = "maker"
    data = saved(Image.new("RGB", (8, 16), "red"), "PNG", pnginfo=told, exif=exif)
    clean = await pictures.clean(data, "image/png")
    assert b"51.5N" not in clean
    assert b"maker" not in clean
    picture = opened(clean)
    assert (picture.format, picture.size, picture.info) == ("PNG", (8, 16), {})
    assert picture.getpixel((3, 3)) == (255, 0, 0)


async def test_a_photo_is_turned_upright(pictures: PictureCleaner) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_LEFT
    data = saved(Image.new("RGB", (32, 16), "blue"), "JPEG", exif=exif)
    assert opened(await pictures.clean(data, "image/jpeg")).size == (16, 32)


async def test_an_animation_gives_its_first_frame(pictures: PictureCleaner) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    picture = opened(await pictures.clean(data, "image/webp"))
    assert (getattr(picture, "n_frames", 1), picture.getpixel((1, 1))) == (1, (255, 0, 0))


async def test_transparency_is_kept(pictures: PictureCleaner) -> None:
    data = saved(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "PNG")
    assert opened(await pictures.clean(data, "image/png")).getpixel((0, 0)) == (1, 2, 3, 4)


async def test_it_is_brought_into_a_size_by_cutting_evenly(pictures: PictureCleaner) -> None:
    striped = Image.new("RGB", (300, 100), "red")
    striped.paste("green", (100, 0, 200, 100))
    picture = opened(await pictures.clean(saved(striped, "PNG"), "image/png", (64, 64)))
    assert (picture.size, picture.getpixel((32, 32)), picture.getpixel((4, 60))) == ((64, 64), (0, 128, 0), (0, 128, 0))


async def test_a_picture_of_another_type_than_declared_is_refused(pictures: PictureCleaner) -> None:
    await refused(pictures, saved(Image.new("RGB", (8, 8)), "GIF"), "image/gif")
    await refused(pictures, saved(Image.new("RGB", (8, 8)), "PNG"), "image/webp")


@pytest.mark.parametrize("size", [(5_001, 5_000), (60_000, 60_000)])
async def test_more_than_25_megapixels_are_refused_by_what_the_header_says(
    pictures: PictureCleaner, size: tuple[int, int]
) -> None:
    head = saved(Image.new("1", (8, 8)), "PNG")
    ihdr = b"IHDR" + size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + head[24:29]
    lying = head[:12] + ihdr + zlib.crc32(ihdr).to_bytes(4, "big") + head[33:]
    assert "25 megapixels" in (await refused(pictures, lying, "image/png")).detail


@pytest.mark.parametrize("kept", [40, 0.5])
async def test_a_damaged_picture_is_refused(pictures: PictureCleaner, kept: float) -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    data = saved(noise, "PNG")
    await refused(pictures, data[: int(kept if kept > 1 else len(data) * kept)], "image/png")


async def test_nobody_is_left_behind_when_the_attempt_is_stopped(pictures: PictureCleaner) -> None:
    data = saved(Image.new("RGB", (4_900, 5_000)), "PNG")
    await pictures.clean(saved(Image.new("RGB", (8, 8)), "PNG"), "image/png")
    eventually(lambda: len(forked()) == 1)  # what forks them
    cleaning = asyncio.create_task(pictures.clean(data, "image/png"))
    async with asyncio.timeout(PATIENCE_S):
        while len(forked()) == 1:
            await asyncio.sleep(0.01)
    cleaning.cancel()
    await asyncio.wait({cleaning})
    eventually(lambda: len(forked()) == 1)


def forked() -> list[str]:
    """The process that forks our children, and these."""
    ours = f"main(int(sys.argv[1])) {os.getpid()} "
    return [line for line in processes_in(Path.cwd()).values() if ours in " ".join(line.split())]
